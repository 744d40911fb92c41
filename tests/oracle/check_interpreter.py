"""Checks the interpreter itself against facts from elsewhere.

Photos: real weights on the photos of $TV_SHARED_DATA (default ../shared/data), both crops, against the totals of its
README (at most two photos apart). torchvision, if installed: loss and gradients of ResNet-50 and DenseNet-121 in f64, batch
statistics in use, with torchvision's first pool of the ResNet padded as TensorFlow does and Keras' epsilon in the DenseNet;
agreement to 1e-10 of each tensor's scale (at least 1e-3 of the largest gradient).
"""
import argparse
import csv
import os
import pathlib
import sys

import numpy as np
import torch
from PIL import Image

import make_inputs
from ops_interpreter import Network, cross_entropy, forward

TOTALS = {  # weights file: (network, width, {crop: (top-1, top-5)}) of 92 photos
    "mobilenet_v1_025": ("mobilenet_v1", 0.25, {0.875: (50, 75), 1.0: (50, 73)}),
    "mobilenet_v1": ("mobilenet_v1", 1.0, {0.875: (78, 90), 1.0: (79, 90)}),
    "mobilenet_v2": ("mobilenet_v2", 1.0, {0.875: (79, 91), 1.0: (78, 90)}),
}


def resize_bilinear_tf1(image, size):
    """TF1's resize_bilinear, align_corners false: source = destination * scale, no half-pixel centres, f32."""
    for axis in (0, 1):
        length = image.shape[axis]
        source = np.arange(size, dtype=np.float32) * np.float32(length / size)
        low = source.astype(np.int64)
        high = np.minimum(low + 1, length - 1)
        fraction = (source - low.astype(np.float32)).reshape([-1 if a == axis else 1 for a in range(3)])
        a, b = np.take(image, low, axis), np.take(image, high, axis)
        image = a + (b - a) * fraction
    return image


def photo(path, crop, size=224):
    image = np.asarray(Image.open(path).convert("RGB"), dtype=np.float32) / 255.0
    top, left = (int((n - n * crop) / 2) for n in image.shape[:2])
    image = image[top : image.shape[0] - top, left : image.shape[1] - left]
    return (resize_bilinear_tf1(image, size) - 0.5) * 2.0


def check_photos(data, spec):
    with open(data / "photos" / "labels.tsv", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    labels = torch.tensor([int(row["class_index_1000"]) + 1 for row in rows])
    good = True
    for crop in (0.875, 1.0):
        images = torch.from_numpy(np.stack([photo(data / "photos" / row["photo"], crop) for row in rows]))
        for weights, (name, width, totals) in TOTALS.items():
            network = Network(name, spec, width=width)
            values = network.load(data / "weights" / f"{weights}.safetensors", torch.float32)
            with torch.no_grad():
                logits = torch.cat([forward(network, values, part)[0] for part in images.split(23)])
            hits = logits.topk(5).indices == labels[:, None]
            top1, top5 = hits[:, 0].sum().item(), hits.any(1).sum().item()
            agrees = abs(top1 - totals[crop][0]) <= 2 and abs(top5 - totals[crop][1]) <= 2
            good = good and agrees
            print(f"{weights:18} crop {crop:5}: {top1}/{top5}, expected {totals[crop][0]}/{totals[crop][1]}"
                  f"{'' if agrees else '  FAIL'}")
    return good


def torchvision_names(name):
    """TF-Slim variable name of ResNet-50 -> torchvision's, with the axes to permute."""
    last = {"weights": "weight", "gamma": "weight", "beta": "bias", "biases": "bias", "moving_mean": "running_mean",
            "moving_variance": "running_var"}[name.rsplit("/", 1)[1]]
    parts = name.split("/")
    normalised = "BatchNorm" in parts
    if parts[1] == "logits":
        return f"fc.{last}"
    if parts[1] == "conv1":
        return f"{'bn1' if normalised else 'conv1'}.{last}"
    scope = f"layer{parts[1][5:]}.{int(parts[2][5:]) - 1}"
    if parts[4] == "shortcut":
        return f"{scope}.downsample.{1 if normalised else 0}.{last}"
    return f"{scope}.{'bn' if normalised else 'conv'}{parts[4][4:]}.{last}"


def densenet_names(name):
    """Keras' variable name of a DenseNet -> torchvision's."""
    *parts, last = name.split("/")
    last = {"kernel": "weight", "gamma": "weight", "beta": "bias", "bias": "bias", "moving_mean": "running_mean",
            "moving_variance": "running_var"}[last]
    at = parts[0]
    fixed = {"conv1": "features.conv0" if parts[-1] == "conv" else "features.norm0", "bn": "features.norm5",
             "fc1000": "classifier"}
    if at in fixed:
        return f"{fixed[at]}.{last}"
    if at.startswith("pool"):
        number, kind = at[4:].split("_")
        return f"features.transition{int(number) - 1}.{'norm' if kind == 'bn' else 'conv'}.{last}"
    block, layer, number, kind = at.split("_")
    number = int(number) + 1 if kind == "bn" else int(number)
    return (f"features.denseblock{int(block[4:]) - 1}.denselayer{layer[5:]}."
            f"{'norm' if kind == 'bn' else 'conv'}{number}.{last}")


class SamePool(torch.nn.Module):
    """3x3 maximum at stride 2, padded as TensorFlow's SAME."""

    def forward(self, x):
        total = [max((-(-n // 2) - 1) * 2 + 3 - n, 0) for n in x.shape[2:]]
        pads = (total[1] // 2, total[1] - total[1] // 2, total[0] // 2, total[0] - total[0] // 2)
        return torch.nn.functional.max_pool2d(torch.nn.functional.pad(x, pads, value=-float("inf")), 3, 2)


def check_torchvision(name, spec):
    """Loss, gradients and moving statistics of one step with batch statistics, against torchvision's own model."""
    try:
        from torchvision import models
    except ImportError:
        print("torchvision is not installed: skipped")
        return True
    dense = name.startswith("densenet")
    names_of = densenet_names if dense else torchvision_names
    network = Network(name, spec, classes=10)
    values = {n: torch.from_numpy(v) for n, v in make_inputs.make_weights(network).items()}
    batch = make_inputs.make_batch(4, 65, 79, 10)
    images, labels = torch.from_numpy(batch["images"]), torch.from_numpy(batch["labels"])
    model = getattr(models, name.removesuffix("_v1"))(weights=None, num_classes=10).double().train()

    def stored(name, value):
        if value.dim() == 2:
            return value.T
        if value.dim() != 4:
            return value
        return value[0, 0].T if "logits" in name else value.permute(3, 2, 0, 1)

    state = {names_of(n): stored(n, v) for n, v in values.items()}
    model.load_state_dict(state, strict=False)
    assert set(model.state_dict()) - set(state) == {k for k in model.state_dict() if "num_batches" in k}
    for module in model.modules():
        if dense and isinstance(module, torch.nn.BatchNorm2d):
            module.eps = 1.001e-5
    if not dense:
        model.maxpool = SamePool()
    peer_loss = torch.nn.functional.cross_entropy(model(images.permute(0, 3, 1, 2)), labels, label_smoothing=0.1)
    peer_loss.backward()
    names = network.trainables()
    for variable in names:
        values[variable].requires_grad_(True)
    logits, _, updates = forward(network, values, images, training=True, bn_decay=0.9)
    loss = cross_entropy(logits, labels, 0.1)
    gradients = torch.autograd.grad(loss, [values[n] for n in names])
    peer = dict(model.named_parameters())
    largest = max(p.grad.abs().max().item() for p in peer.values())
    worst = abs(loss.item() - peer_loss.item()) / abs(peer_loss.item())
    for variable, gradient in zip(names, gradients):
        other = peer[names_of(variable)].grad
        scale = max(other.abs().max().item(), 1e-3 * largest)
        worst = max(worst, (stored(variable, gradient) - other).abs().max().item() / scale)
    buffers = dict(model.named_buffers())
    for variable, value in updates.items():
        other = buffers[names_of(variable)]
        worst = max(worst, ((value - other).abs().max() / other.abs().max()).item())
    print(f"{name} against torchvision, loss, {len(names)} gradients, {len(updates)} moving statistics: {worst:.2e}")
    return worst < 1e-10


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = pathlib.Path(__file__).resolve().parents[2]
    data = os.environ.get("TV_SHARED_DATA") or root / ".." / "shared" / "data"
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path(data))
    parser.add_argument("--spec", help="folder of the tables")
    options = parser.parse_args()
    good = all([check_torchvision(name, options.spec) for name in ("resnet50_v1", "densenet121")])
    if options.data.is_dir():
        good = check_photos(options.data, options.spec) and good
    else:
        print(f"{options.data} is missing: photos skipped")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
