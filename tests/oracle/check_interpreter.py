"""Checks the interpreter itself against facts from elsewhere.

Photos: real weights on the photos of $TV_SHARED_DATA (default ../shared/data), both crops, against the totals of its
README (at most two photos apart). torchvision, if installed: ResNet-50 logits and gradients in f64, batch statistics
in use, with torchvision's first pool padded as TensorFlow does; agreement to 1e-10 of each tensor's scale.
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


def check_torchvision(spec):
    try:
        from torchvision.models import resnet50
    except ImportError:
        print("torchvision is not installed: skipped")
        return True
    network = Network("resnet50_v1", spec, classes=10)
    values = {n: torch.from_numpy(v) for n, v in make_inputs.make_weights(network).items()}
    batch = make_inputs.make_batch(4, 65, 79, 10)
    images, labels = torch.from_numpy(batch["images"]), torch.from_numpy(batch["labels"])
    model = resnet50(weights=None, num_classes=10).double().train()

    def stored(name, value):
        if value.dim() != 4:
            return value
        return value[0, 0].T if "logits" in name else value.permute(3, 2, 0, 1)

    state = {torchvision_names(n): stored(n, v) for n, v in values.items()}
    model.load_state_dict(state, strict=False)
    assert set(model.state_dict()) - set(state) == {k for k in model.state_dict() if "num_batches" in k}

    class SamePool(torch.nn.Module):
        def forward(self, x):
            total = [max((-(-n // 2) - 1) * 2 + 3 - n, 0) for n in x.shape[2:]]
            pads = (total[1] // 2, total[1] - total[1] // 2, total[0] // 2, total[0] - total[0] // 2)
            return torch.nn.functional.max_pool2d(torch.nn.functional.pad(x, pads, value=-float("inf")), 3, 2)

    model.maxpool = SamePool()
    peer_loss = torch.nn.functional.cross_entropy(model(images.permute(0, 3, 1, 2)), labels, label_smoothing=0.1)
    peer_loss.backward()
    names = network.trainables()
    for name in names:
        values[name].requires_grad_(True)
    logits, _, updates = forward(network, values, images, training=True, bn_decay=0.9)
    loss = cross_entropy(logits, labels, 0.1)
    gradients = torch.autograd.grad(loss, [values[n] for n in names])
    peer = dict(model.named_parameters())
    worst = abs(loss.item() - peer_loss.item()) / abs(peer_loss.item())
    for name, gradient in zip(names, gradients):
        other = peer[torchvision_names(name)].grad
        worst = max(worst, ((stored(name, gradient) - other).abs().max() / other.abs().max()).item())
    buffers = dict(model.named_buffers())
    for name, value in updates.items():
        other = buffers[torchvision_names(name)]
        worst = max(worst, ((value - other).abs().max() / other.abs().max()).item())
    print(f"ResNet-50 against torchvision, loss, {len(names)} gradients, {len(updates)} moving statistics: {worst:.2e}")
    return worst < 1e-10


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = pathlib.Path(__file__).resolve().parents[2]
    data = os.environ.get("TV_SHARED_DATA") or root / ".." / "shared" / "data"
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path(data))
    parser.add_argument("--spec", help="folder of the tables")
    options = parser.parse_args()
    good = check_torchvision(options.spec)
    if options.data.is_dir():
        good = check_photos(options.data, options.spec) and good
    else:
        print(f"{options.data} is missing: photos skipped")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
