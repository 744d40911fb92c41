"""Name maps against the peers' own models.

    cmake --build build/release --target oracle_exchange
    python tests/oracle/check_maps.py --spec ../shared/spec/networks [PEER ...]

Builds each peer with random weights and batch norm statistics, lets the peer save it (.pth, .h5, .weights.h5 or
safetensors), and reads the file with our readers and the map: every variable of the network's table must be there in its
shape, and none be left over. Then the outputs for random images are compared (--outputs):

  as it is        largest difference to the peer as published; what the map's `differs` lines lead to expect
  made equal      the same after the peer's padding, average pools and epsilon were set to ours; must be below 1e-5

both relative to the largest value. Needs torch, torchvision, timm, keras (torch backend), h5py, safetensors.
"""
import argparse
import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ.setdefault("KERAS_BACKEND", "torch")

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file, save_file
from safetensors.torch import save_file as save_torch

TOLERANCE = 1e-5

# peer: library, model, map, network, image size, epsilon of ours
PEERS = {
    "torchvision/resnet50": ("torchvision_resnet", "resnet50_v1", 1e-5),
    "torchvision/resnet101": ("torchvision_resnet", "resnet101_v1", 1e-5),
    "torchvision/resnet152": ("torchvision_resnet", "resnet152_v1", 1e-5),
    "torchvision/densenet121": ("torchvision_densenet", "densenet121", 1.001e-5),
    "torchvision/densenet169": ("torchvision_densenet", "densenet169", 1.001e-5),
    "torchvision/densenet201": ("torchvision_densenet", "densenet201", 1.001e-5),
    "torchvision/googlenet": ("torchvision_googlenet", "inception_v1", 1e-3),
    "torchvision/inception_v3": ("torchvision_inception_v3", "inception_v3", 1e-3),
    "torchvision/mobilenet_v2": ("torchvision_mobilenet_v2", "mobilenet_v2", 1e-3),
    "timm/inception_v4": ("timm_inception_v4", "inception_v4", 1e-3),
    "timm/inception_resnet_v2": ("timm_inception_resnet_v2", "inception_resnet_v2", 1e-3),
    "timm/nasnetalarge": ("timm_nasnet", "nasnet_a_large", 1e-3),
    "timm/mobilenetv1_100": ("timm_mobilenetv1", "mobilenet_v1", 1e-3),
    "timm/mobilenetv2_100": ("timm_mobilenetv2", "mobilenet_v2", 1e-3),
    "timm/mobilenetv2_140": ("timm_mobilenetv2", "mobilenet_v2_140", 1e-3),
    "keras/DenseNet121": ("keras_densenet", "densenet121", 1.001e-5),
    "keras/InceptionV3": ("keras_inception_v3", "inception_v3", 1e-3),
    "keras/InceptionResNetV2": ("keras_inception_resnet_v2", "inception_resnet_v2", 1e-3),
    "keras/MobileNet": ("keras_mobilenet", "mobilenet_v1", 1e-3),
    "keras/MobileNetV2": ("keras_mobilenet_v2", "mobilenet_v2", 1e-3),
    "keras/NASNetMobile": ("keras_nasnet_mobile", "nasnet_a_mobile", 1e-3),
    "keras/NASNetLarge": ("keras_nasnet_large", "nasnet_a_large", 1e-3),
}
SIZES = {"inception_v3": 299, "inception_v4": 299, "inception_resnet_v2": 299, "nasnet_a_large": 331}

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("peers", nargs="*", default=list(PEERS))
parser.add_argument("--spec", default="../shared/spec/networks", type=pathlib.Path)
parser.add_argument("--program", default="build/release/tests/oracle_exchange")
parser.add_argument("--maps", default="models/maps", type=pathlib.Path)
parser.add_argument("--outputs", default=",".join(sorted({network for _, network, _ in PEERS.values()})),
                    help="networks whose outputs are compared, separated by commas (default: all)")
options = parser.parse_args()
torch.set_num_threads(1)


def same_pads(size, kernel, stride):
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def pad_same(x, kernel, stride, value):
    top, bottom = same_pads(x.shape[2], kernel, stride)
    left, right = same_pads(x.shape[3], kernel, stride)
    return F.pad(x, (left, right, top, bottom), value=value)


class Same(torch.nn.Module):
    """A convolution or pool with TensorFlow's SAME padding."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer
        one = lambda v: v if isinstance(v, int) else v[0]
        self.kernel, self.stride = one(layer.kernel_size), one(layer.stride)
        layer.padding = 0 if isinstance(layer, torch.nn.MaxPool2d) else (0, 0)
        self.value = float("-inf") if isinstance(layer, torch.nn.MaxPool2d) else 0.0

    def forward(self, x):
        return self.layer(pad_same(x, self.kernel, self.stride, self.value))


class CountedAverage(torch.nn.Module):
    """SAME average pool over the pixels that exist."""

    def __init__(self, pool):
        super().__init__()
        one = lambda v: v if isinstance(v, int) else v[0]
        self.kernel, self.stride = one(pool.kernel_size), one(pool.stride)

    def forward(self, x):
        average = lambda v: F.avg_pool2d(pad_same(v, self.kernel, self.stride, 0.0), self.kernel, self.stride)
        return average(x) / average(torch.ones_like(x[:1, :1]))


def make_equal(model, name, epsilon):
    """The peer's padding, average pools and epsilon as ours."""
    strided = ("mobilenet", "googlenet")  # their convolutions of stride 2 pad on both sides
    for module in list(model.modules()):
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eps = epsilon
        for key, child in list(module.named_children()):
            if isinstance(child, torch.nn.MaxPool2d) and name.startswith("resnet"):
                setattr(module, key, Same(child))
            elif (isinstance(child, torch.nn.Conv2d) and child.stride[0] == 2 and child.kernel_size[0] > 1
                  and name.startswith(strided)):
                setattr(module, key, Same(child))
            elif type(child).__name__ == "AvgPool2dSame":  # timm's, which counts the padding
                setattr(module, key, CountedAverage(child))


@contextlib.contextmanager
def average_pools_skip_padding(name):
    """torchvision's Inception v3 calls the function, so there is no module to replace."""
    before = F.avg_pool2d
    if name == "inception_v3":
        F.avg_pool2d = lambda *args, **kwargs: before(*args, **{"count_include_pad": False, **kwargs})
    try:
        yield
    finally:
        F.avg_pool2d = before


def randomise(model, generator):
    for key, value in model.state_dict().items():
        if value.ndim < 2 and value.is_floating_point():
            draw = torch.rand(value.shape, generator=generator)
            scale = key.endswith(("running_var", ".weight"))
            value.copy_(0.5 + draw if scale else (draw - 0.5) / 5)


def build_torch(library, name):
    if library == "timm":
        import timm

        return timm.create_model(name, pretrained=False).eval()
    import torchvision

    extra = {"init_weights": False, "aux_logits": name == "inception_v3"} if name in ("googlenet", "inception_v3") else {}
    return getattr(torchvision.models, name)(**extra).eval()


def build_keras(name):
    import types

    import keras
    from keras.src.applications import nasnet

    # Keras refuses to build NASNetMobile with torch; names and shapes are those of any backend.
    nasnet.backend = types.SimpleNamespace(backend=lambda: "any", image_data_format=keras.backend.image_data_format,
                                           name_scope=keras.name_scope)
    model = getattr(keras.applications, name)(weights=None, classifier_activation=None)
    rng = np.random.default_rng(3)
    for weight in model.weights:
        if len(weight.shape) < 2:
            draw = rng.random(weight.shape, np.float32)
            scale = weight.name in ("gamma", "moving_variance")
            weight.assign(0.5 + draw if scale else (draw - 0.5) / 5)
    return model


def pools_skip_padding(model):
    """Keras's NASNet puts zeros around the map that the pools of a reduction cell read; ours, as TF-Slim's, skip what is
    outside: the maximum is that of the pixels there are, the mean too."""
    def pool(x, largest):
        x = x.permute(0, 3, 1, 2)
        if largest:
            y = F.max_pool2d(pad_same(x, 3, 2, float("-inf")), 3, 2)
        else:
            mean = lambda v: F.avg_pool2d(pad_same(v, 3, 2, 0.0), 3, 2)
            y = mean(x) / mean(torch.ones_like(x[:1, :1]))
        return y.permute(0, 2, 3, 1)

    for layer in model.layers:
        if layer.name.startswith("reduction_pad_1_"):
            layer.call = lambda x: x
        elif layer.name.startswith(("reduction_left2_", "reduction_right5_", "reduction_left3_")):
            layer.call = lambda x, largest="left3" not in layer.name: pool(x, largest)


def ours(folder, map_path, network, weights, images):
    save_file({"images": images}, folder / "in.safetensors")
    subprocess.run([options.program, "forward", map_path, network, weights, folder / "in.safetensors",
                    folder / "out.safetensors"], check=True)
    return load_file(folder / "out.safetensors")["logits"]


def difference(a, b):
    return float(np.abs(a - b).max() / np.abs(b).max())


failed = []
for peer in options.peers:
    map_name, network, epsilon = PEERS[peer]
    map_path = options.maps / (map_name + ".map")
    library, name = peer.split("/")
    compare = network in options.outputs.split(",")
    size = SIZES.get(network, 224)
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        folder = pathlib.Path(folder)
        files, outputs = [], {}
        images = np.random.default_rng(2).normal(size=(2, size, size, 3)).astype(np.float32)
        if library == "keras":
            model = build_keras(name)
            files = [folder / "w.h5", folder / "w.weights.h5"]
            model.save(files[0])
            model.save_weights(files[1])
            if compare:
                outputs["as it is"] = np.asarray(model(images, training=False).detach().cpu())
                if name.startswith("NASNet"):
                    pools_skip_padding(model)
                    outputs["made equal"] = np.asarray(model(images, training=False).detach().cpu())
        else:
            model = build_torch(library, name)
            randomise(model, torch.Generator().manual_seed(4))
            files = [folder / "w.pth", folder / "w.safetensors"]
            torch.save(model.state_dict(), files[0])
            save_torch({k: v.contiguous() for k, v in model.state_dict().items()}, files[1])
            if compare:
                x = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
                outputs["as it is"] = model(x).numpy()
                make_equal(model, name, epsilon)
                with average_pools_skip_padding(name):
                    outputs["made equal"] = model(x).numpy()
        del model
        for file in files:
            run = subprocess.run([options.program, "names", map_path, network, file, options.spec / (network + ".tsv")],
                                 capture_output=True, text=True)
            print(f"{peer:26} {file.name:14} {network:20} {(run.stdout + run.stderr).strip()}", flush=True)
            if run.returncode:
                failed.append(peer)
        for file in files if compare else []:
            got = ours(folder, map_path, network, file, images)
            differences = {what: difference(got, wanted) for what, wanted in outputs.items()}
            print(f"{peer:26} {file.name:14} {network:20} " +
                  ", ".join(f"{what}: {d:.1e}" for what, d in differences.items()), flush=True)
            if not differences[list(differences)[-1]] < TOLERANCE:
                failed.append(peer)
sys.exit(f"failed: {sorted(set(failed))}" if failed else 0)
