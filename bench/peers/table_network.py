"""A network as a PyTorch module built from the specification's table of operations (`<network>.ops.tsv`).

The peer of those networks that neither torchvision nor timm has: what a user of PyTorch would write, with its own
convolutions, batch norms and pools, in-place activations, and values dropped after their last use. Auxiliary heads are
left out. (tests/oracle/ops_interpreter.py, which spells every operation out, is not made for speed.)
"""
import csv
import os
import pathlib

import torch
import torch.nn.functional as F
from torch import nn


def table(name):
    """Rows that the logits depend on."""
    root = pathlib.Path(__file__).resolve().parents[2]
    folder = pathlib.Path(os.environ.get("TV_SPEC") or root / ".." / "shared" / "spec" / "networks")
    with open(folder / f"{name}.ops.tsv", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    needed = {rows[-1]["id"]}
    for row in reversed(rows):
        if row["id"] in needed:
            needed.update(row["inputs"].split(","))
    return [row for row in rows if row["id"] in needed]


def pair(text):
    return tuple(int(n) for n in text.split("x"))


class Same(nn.Module):
    """TensorFlow's SAME padding before a convolution, where it is not the same on both sides."""

    def __init__(self, kernel, stride):
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x):
        pads = []
        for size, kernel, stride in zip(reversed(x.shape[2:]), reversed(self.kernel), reversed(self.stride)):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        return F.pad(x, pads)


def convolution(row, classes):
    kernel, stride = pair(row["kernel"]), pair(row["stride"])
    inputs = int(row["in_hwc"].split("x")[2])
    outputs = int(row["out_hwc"].split("x")[2]) if row["group"] != "logits" else classes
    same = row["padding"] == "SAME"
    layers = [Same(kernel, stride)] if same and max(stride) > 1 and max(kernel) > 1 else []
    padding = tuple(k // 2 for k in kernel) if same and not layers else 0
    groups = inputs if row["op"] == "dwconv" else 1
    layers.append(nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=row["bias"] == "1"))
    if row["bn_eps"]:
        layers.append(nn.BatchNorm2d(outputs, eps=float(row["bn_eps"])))
    if row["act"]:
        layers.append({"relu": nn.ReLU, "relu6": nn.ReLU6}[row["act"]](inplace=True))
    return nn.Sequential(*layers)


def pool(row):
    kernel, stride = pair(row["kernel"]), pair(row["stride"])
    before, after = (int(n) for n in row["pad_tblr"].split(",")[:2])
    how = dict(padding=before, ceil_mode=after > before)  # a row that is only after the map is what ceil_mode adds
    if row["op"] == "maxpool":
        return nn.MaxPool2d(kernel, stride, **how)
    return nn.AvgPool2d(kernel, stride, count_include_pad=False, **how)


class Apply(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


def operation(row, classes):
    op = row["op"]
    if op in ("conv", "dwconv"):
        return convolution(row, classes)
    if op == "globalavgpool" or row["feature"] == "1":
        return nn.AdaptiveAvgPool2d(1)
    if op in ("maxpool", "avgpool"):
        return pool(row)
    if op == "bn":
        return nn.BatchNorm2d(int(row["out_hwc"].split("x")[2]), eps=float(row["bn_eps"]))
    if op == "relu":
        return nn.ReLU()
    if op == "fc":
        return nn.Sequential(nn.Flatten(), nn.Linear(int(row["in_hwc"].split("x")[2]), classes))
    if op == "add":
        return Apply(torch.add)
    if op == "concat":
        return Apply(lambda *inputs: torch.cat(inputs, 1))
    if op == "scale":
        return Apply(lambda x, by=float(row["arg"]): x * by)
    if op == "crop":
        top, left = (int(n) for n in row["arg"].split(","))
        return Apply(lambda x: x[:, :, top:, left:])
    if op == "zeropad":
        top, bottom, left, right = (int(n) for n in row["pad_tblr"].split(","))
        return Apply(lambda x: F.pad(x, (left, right, top, bottom)))
    if op in ("dropout", "flatten"):
        return nn.Identity()
    raise SystemExit(f"row {row['id']}: operation {op} is not known here")


class TableNetwork(nn.Module):
    def __init__(self, name, classes=1000):
        super().__init__()
        rows = table(name)
        self.inputs = [row["inputs"].split(",") for row in rows[1:]]
        self.outputs = [row["id"] for row in rows[1:]]
        self.operations = nn.ModuleList(operation(row, classes) for row in rows[1:])
        last = {value: i for i, values in enumerate(self.inputs) for value in values}
        self.finished = [[v for v in set(values) if last[v] == i] for i, values in enumerate(self.inputs)]

    def forward(self, x):
        values = {"0": x}
        for run, inputs, output, finished in zip(self.operations, self.inputs, self.outputs, self.finished):
            values[output] = run(*(values[i] for i in inputs))
            for value in finished:
                del values[value]
        return values[self.outputs[-1]].flatten(1)
