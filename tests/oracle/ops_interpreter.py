"""Independent interpreter of the network tables: executes `<network>.ops.tsv` in PyTorch.

Nothing here is shared with the C++ sources: every operation is spelled out from its definition (batch norm as mean and
biased variance, depthwise convolution as a sum over taps, TensorFlow's SAME padding recomputed at each size), so that
agreement with the framework means something. Tensors are NCHW inside, NHWC where they are handed out.

As a program it runs one forward pass and prints the norm of every row's activation:

    ops_interpreter.py --network mobilenet_v1 --weights w.safetensors --batch b.safetensors --mode eval
"""
import argparse
import csv
import os
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

NETWORKS = ("inception_v1", "bn_inception", "inception_v3", "inception_v4", "inception_resnet_v2",
            "mobilenet_v1", "mobilenet_v2", "mobilenet_v2_140", "resnet50_v1", "resnet101_v1", "resnet152_v1",
            "densenet121", "densenet169", "densenet201", "nasnet_a_mobile", "nasnet_a_large")
AUXILIARY_WEIGHT = 0.4  # of the auxiliary head's cross-entropy in the loss
MOVING = ("bn_moving_mean", "bn_moving_variance")
DTYPES = {"f32": torch.float32, "f64": torch.float64}


def spec_directory(argument=None):
    """Folder of the tables: the argument, else $TV_SPEC, else ../shared/spec/networks beside the repository."""
    root = pathlib.Path(__file__).resolve().parents[2]
    return pathlib.Path(argument or os.environ.get("TV_SPEC") or root / ".." / "shared" / "spec" / "networks")


def read_table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


# Networks with a width multiplier that truncates, and the channels it leaves every convolution at least.
LEAST_CHANNELS = {"mobilenet_v1": 8, "bn_inception": 16, "inception_v3": 16}


def scaled_shapes(rows, width, least):
    """Input and output channels of the convolutions of every scope, and the filters per channel of depthwise ones, with
    all channel counts times `width`, truncated and at least `least`. The table's own filters per channel are kept where
    they are 1, else they are those of TF-Slim's first layer of Inception v2: min(channels / 3, 8)."""
    def scaled(channels):
        return max(int(channels * width), least)

    channels, full, depthwise = {}, {}, {}
    for row in rows:
        listed = int(row["out_hwc"].split("x")[2])
        ins = [channels[i] for i in row["inputs"].split(",")] if row["inputs"] else [listed]
        out = ins[0]
        if row["op"] == "dwconv":
            multiplier = min(scaled(64) // 3, 8) if row["depth_mult"] != "1" else 1
            scope = row["name"].rsplit("/", 1)[0]
            out = ins[0] * multiplier
            full[scope] = ins[0], out
            depthwise[scope] = ins[0], multiplier
        elif row["op"] == "conv":
            scope = row["name"].removesuffix("/pointwise")
            out = scaled(listed)
            full[scope] = ins[0], out
        elif row["op"] == "concat":
            out = sum(ins)
        channels[row["id"]] = out
    return full, depthwise


def map_sizes(rows, side):
    """Height of every row's output, by id, for square images of this side."""
    heights = {}
    for row in rows:
        if row["op"] == "input":
            heights[row["id"]] = side
            continue
        height = heights[row["inputs"].split(",")[0]]
        if row["kernel"] and row["feature"] != "1":
            kernel, stride = pair(row["kernel"])[0], pair(row["stride"])[0]
            height = -(-height // stride) if row["padding"] == "SAME" else (height - kernel) // stride + 1
        heights[row["id"]] = height
    return heights


def rows_of_logits(rows):
    """The rows that the logits depend on: without auxiliary heads and what they alone read."""
    needed = {rows[-1]["id"]}
    for row in reversed(rows):
        if row["id"] in needed:
            needed.update(row["inputs"].split(","))
    return [row for row in rows if row["id"] in needed]


class Network:
    """The rows and variables of one network, with class count and width multiplier applied to the shapes.

    `auxiliary` is the side of the images that the auxiliary head is made for; 0 leaves the head out. The head's last
    convolution spans its map, so its kernel depends on that side. Without `bn_scale` batch norms have no gamma. Variables
    are numbered without those left out."""

    def __init__(self, name, spec=None, classes=None, width=1.0, layout="paper", auxiliary=0, bn_scale=True):
        if name not in NETWORKS:
            raise SystemExit(f"unknown network {name}: one of {', '.join(NETWORKS)}")
        if width != 1.0 and name not in LEAST_CHANNELS:
            raise SystemExit(f"--width applies to {', '.join(LEAST_CHANNELS)} alone, not to {name}")
        folder = spec_directory(spec)
        suffix = ".public_checkpoint" if layout == "public" else ""
        self.name = name
        self.rows = read_table(folder / f"{name}{suffix}.ops.tsv")
        whole_map = {}  # name of the auxiliary head's last convolution -> its kernel at this image size
        if auxiliary:
            heights = map_sizes(self.rows, auxiliary)
            for row in self.rows:
                if row["group"] == "aux" and row["op"] == "conv" and row["padding"] == "VALID":
                    side = heights[row["inputs"]]
                    whole_map[row["name"]] = side
                    row["kernel"] = f"{side}x{side}"
        else:
            self.rows = rows_of_logits(self.rows)
        self.auxiliary_id = next((r["id"] for r in reversed(self.rows) if r["group"] == "aux"), None)
        if width != 1.0:
            full, depthwise = scaled_shapes(self.rows, width, LEAST_CHANNELS[name])
        self.variables = []  # (name, kind, shape, number)
        for row in read_table(folder / f"{name}.tsv"):
            if (row["group"] == "aux" and not auxiliary) or (row["kind"] == "bn_gamma" and not bn_scale):
                continue
            shape = [int(n) for n in row["shape"].split(",")]
            scope = row["name"].rsplit("/", 1)[0]
            if scope in whole_map and row["kind"] == "conv_weight":
                shape[:2] = [whole_map[scope]] * 2
            # In an auxiliary head too, the classifier is what has a bias.
            is_logits = row["group"] == "logits" or (row["group"] == "aux" and self.has_bias(folder, name, scope))
            if width != 1.0:
                scope = scope.removesuffix("/BatchNorm")
                if row["kind"] == "depthwise_weight":
                    shape[2:] = depthwise[scope]
                elif len(shape) == 4:
                    shape[2:] = full[scope]
                else:
                    shape[0] = full[scope][1]
            if is_logits:
                shape[-1] = classes or int(row["shape"].split(",")[-1])
            self.variables.append((row["name"], row["kind"], tuple(shape), len(self.variables)))
        self.l2_slim = {r["name"]: float(r["l2_slim"]) for r in read_table(folder / f"{name}.tsv")}
        self.classes = self.variables[-1][2][-1]
        self.feature_id = next(r["id"] for r in self.rows if r["feature"] == "1")

    @staticmethod
    def has_bias(folder, name, scope):
        return any(row["name"] == f"{scope}/biases" for row in read_table(folder / f"{name}.tsv"))

    def trainables(self):
        return [name for name, kind, _, _ in self.variables if kind not in MOVING]

    def decayed(self, decay_set):
        """Variables in a decay set: `all` trainables, `conv_fc` weights alone, `slim` as the table's l2_slim says."""
        kinds = {name: kind for name, kind, _, _ in self.variables}
        if decay_set == "all":
            return self.trainables()
        if decay_set == "conv_fc":
            return [n for n in self.trainables() if kinds[n].endswith("_weight")]
        if decay_set == "slim":
            return [n for n in self.trainables() if self.l2_slim[n] > 0]
        raise SystemExit(f"unknown decay set {decay_set}")

    def cells(self):
        """Names of the cells of NASNet in the order they are computed in; empty for other networks."""
        return list(dict.fromkeys(row["name"].split("/comb_iter_")[0] for row in self.rows if "/comb_iter_" in row["name"]))

    def load(self, path, dtype):
        """Reads the variables from a safetensors file; a missing one or another shape is an error."""
        stored = load_file(str(path))
        values = {}
        for name, _, shape, _ in self.variables:
            if name not in stored:
                raise SystemExit(f"{path}: no tensor {name}")
            if tuple(stored[name].shape) != shape:
                raise SystemExit(f"{path}: {name} is {tuple(stored[name].shape)}, expected {shape}")
            values[name] = stored[name].to(dtype).clone()
        return values


def same_padding(size, kernel, stride):
    """TensorFlow's SAME: (before, after), the odd pixel after."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def pad_for(x, row, kernel, stride, value=0.0):
    if row["padding"] == "VALID":
        return x
    if row["padding"] != "SAME":
        raise SystemExit(f"row {row['id']}: padding {row['padding']!r}")
    top, bottom = same_padding(x.shape[2], kernel[0], stride[0])
    left, right = same_padding(x.shape[3], kernel[1], stride[1])
    return F.pad(x, (left, right, top, bottom), value=value)


def pair(text):
    height, width = text.split("x")
    return int(height), int(width)


def depthwise(x, weight, stride):
    """Depthwise convolution of padded NCHW `x` with `weight` [kh,kw,C,M] as a sum over taps; output channel c*M+m."""
    kh, kw, channels, multiplier = weight.shape
    x = x.repeat_interleave(multiplier, dim=1)
    height = (x.shape[2] - kh) // stride[0] + 1
    width = (x.shape[3] - kw) // stride[1] + 1
    y = 0
    for dy in range(kh):
        for dx in range(kw):
            window = x[:, :, dy : dy + (height - 1) * stride[0] + 1 : stride[0],
                       dx : dx + (width - 1) * stride[1] + 1 : stride[1]]
            y = y + window * weight[dy, dx].reshape(1, channels * multiplier, 1, 1)
    return y


def parameter(values, *names):
    """The variable under the first of these names that exists."""
    return next(values[name] for name in names if name in values)


def batch_norm(x, values, scope, epsilon, training, decay, updates):
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta per channel. Training: the batch's mean and biased variance
    normalise; the moving average receives the mean and variance * N / max(N - 1, 1)."""
    def channel(v):
        return v.reshape(1, -1, 1, 1)

    moving_mean = values[f"{scope}/moving_mean"]
    moving_variance = values[f"{scope}/moving_variance"]
    if training:
        count = x.shape[0] * x.shape[2] * x.shape[3]
        mean = x.sum(dim=(0, 2, 3)) / count
        variance = ((x - channel(mean)) ** 2).sum(dim=(0, 2, 3)) / count
        unbiased = variance.detach() * (count / max(count - 1, 1))
        updates[f"{scope}/moving_mean"] = decay * moving_mean + (1 - decay) * mean.detach()
        updates[f"{scope}/moving_variance"] = decay * moving_variance + (1 - decay) * unbiased
    else:
        mean, variance = moving_mean, moving_variance
    y = (x - channel(mean)) / torch.sqrt(channel(variance) + epsilon)
    if f"{scope}/gamma" in values:
        y = y * channel(values[f"{scope}/gamma"])
    return y + channel(values[f"{scope}/beta"])


def average_pool(x, row):
    """Mean over each window's pixels inside the map: the sum of the window divided by how many there are."""
    kernel, stride = pair(row["kernel"]), pair(row["stride"])

    def window_sum(v):
        v = pad_for(v, row, kernel, stride)
        height, width = ((n - k) // s + 1 for n, k, s in zip(v.shape[2:], kernel, stride))
        return sum(v[:, :, dy : dy + (height - 1) * stride[0] + 1 : stride[0],
                     dx : dx + (width - 1) * stride[1] + 1 : stride[1]]
                   for dy in range(kernel[0]) for dx in range(kernel[1]))

    return window_sum(x) / window_sum(torch.ones_like(x[:1, :1]))


def forward(network, values, images, training=False, bn_decay=0.9, record=None, auxiliary=None, masks=None):
    """Runs all rows on `images` [N,H,W,3]. Returns (logits [N,K], feature [N,C], updates of the moving statistics);
    `record`, if given, receives `<id>:<name>` -> the row's output [N,H,W,C], and the list `auxiliary` the scores [N,K] of
    the auxiliary head, if there is one. Dropout and drop path multiply by what `masks` (masks.py) gives; without it they
    are the identity."""
    outputs, updates = {}, {}
    by_id = {row["id"]: row for row in network.rows}
    for row in network.rows:
        ins = [outputs[i] for i in row["inputs"].split(",")] if row["inputs"] else []
        op, name = row["op"], row["name"]
        if op == "input":
            y = images.permute(0, 3, 1, 2)
        elif op in ("conv", "dwconv"):
            kernel, stride = pair(row["kernel"]), pair(row["stride"])
            x = pad_for(ins[0], row, kernel, stride)
            if op == "conv":
                separable = name.endswith("/pointwise")  # second half of a separable convolution
                scope = name.rsplit("/", 1)[0] if separable else name
                weight = parameter(values, f"{name}_weights" if separable else f"{name}/weights", f"{name}/kernel")
                if tuple(weight.shape[:2]) != kernel:
                    raise SystemExit(f"{name}: weight {tuple(weight.shape)} is not {kernel}")
                y = F.conv2d(x, weight.permute(3, 2, 0, 1), stride=stride)
            else:
                scope = name.rsplit("/", 1)[0]
                y = depthwise(x, values[f"{name}_weights"], stride)
            if row["bias"] == "1":
                y = y + values[f"{scope}/biases"].reshape(1, -1, 1, 1)
            if row["bn_eps"]:
                y = batch_norm(y, values, f"{scope}/BatchNorm", float(row["bn_eps"]), training, bn_decay, updates)
            y = activate(y, row["act"])
        elif op == "bn":
            y = batch_norm(ins[0], values, name, float(row["bn_eps"]), training, bn_decay, updates)
        elif op == "crop":
            top, left = (int(p) for p in row["arg"].split(","))
            y = ins[0][:, :, top:, left:]
        elif op == "relu":
            y = activate(ins[0], "relu")
        elif op == "add":
            if masks is not None:
                # In a cell of NASNet every side of a combination is a path, unless it is a state handed on as it is.
                here = name.removesuffix("combine")
                ins = [x * masks.path(name.split("/comb_iter_")[0], x)
                       if "/comb_iter_" in name and by_id[i]["name"].startswith((here + "left", here + "right")) else x
                       for i, x in zip(row["inputs"].split(","), ins)]
            y = ins[0] + ins[1]
        elif op == "zeropad":
            top, bottom, left, right = (int(p) for p in row["pad_tblr"].split(","))
            y = F.pad(ins[0], (left, right, top, bottom))
        elif op == "maxpool":
            kernel, stride = pair(row["kernel"]), pair(row["stride"])
            y = F.max_pool2d(pad_for(ins[0], row, kernel, stride, -float("inf")), kernel, stride)
        elif op == "globalavgpool" or (op == "avgpool" and row["feature"] == "1"):
            y = ins[0].mean(dim=(2, 3), keepdim=True)  # a true global mean at every image size
        elif op == "avgpool":
            y = average_pool(ins[0], row)
        elif op == "concat":
            y = torch.cat(ins, dim=1)
        elif op == "scale":
            y = ins[0] * float(row["arg"])
        elif op == "fc":
            y = ins[0].flatten(1) @ parameter(values, f"{name}/weights", f"{name}/kernel")
            y = y + parameter(values, f"{name}/biases", f"{name}/bias")
            y = y.reshape(*y.shape, 1, 1)
        elif op == "dropout" and masks is not None:
            y = ins[0] * masks.feature(ins[0])
        elif op in ("dropout", "flatten"):
            y = ins[0]
        else:
            raise SystemExit(f"row {row['id']}: operation {op} is not known here")
        outputs[row["id"]] = y
        if record is not None:
            record[f"{row['id']}:{name}"] = y.detach().permute(0, 2, 3, 1).contiguous()
    logits = outputs[network.rows[-1]["id"]].flatten(1)
    if auxiliary is not None and network.auxiliary_id:
        auxiliary.append(outputs[network.auxiliary_id].flatten(1))
    return logits, outputs[network.feature_id].flatten(1), updates


def activate(x, name):
    if name == "":
        return x
    if name == "relu":
        return torch.where(x > 0, x, torch.zeros_like(x))
    if name == "relu6":
        return torch.where(x > 0, torch.where(x < 6, x, torch.full_like(x, 6.0)), torch.zeros_like(x))
    raise SystemExit(f"activation {name} is not known here")


def cross_entropy(logits, labels, smoothing=0.0):
    """Mean over the batch of -sum_k target_k log softmax_k, target = (1 - smoothing) * onehot + smoothing / K."""
    classes = logits.shape[1]
    target = torch.full_like(logits, smoothing / classes)
    target[torch.arange(len(labels)), labels] += 1.0 - smoothing
    log_probability = logits - torch.logsumexp(logits, dim=1, keepdim=True)
    return -(target * log_probability).sum(dim=1).mean()


def add_network_options(parser):
    parser.add_argument("--network", required=True, choices=NETWORKS)
    parser.add_argument("--classes", type=int, help="size of the logits layer (default: the table's)")
    parser.add_argument("--width", type=float, default=1.0, help=f"width multiplier of {', '.join(LEAST_CHANNELS)}")
    parser.add_argument("--layout", choices=("paper", "public"), default="paper", help="ResNet: which ops table")
    parser.add_argument("--auxiliary-head", action="store_true", help="with the head, made for --image-size")
    parser.add_argument("--image-size", type=int, default=0, help="side of the images an auxiliary head is made for")
    parser.add_argument("--bn-scale", choices=("on", "off"), default="on", help="off: batch norms without gamma")
    parser.add_argument("--spec", help="folder of the tables (default $TV_SPEC or ../shared/spec/networks)")
    parser.add_argument("--dtype", choices=sorted(DTYPES), default="f64")


def network_of(options):
    """The network that the options of `add_network_options` name."""
    if options.auxiliary_head and not options.image_size:
        raise SystemExit("--auxiliary-head needs --image-size")
    return Network(options.network, options.spec, options.classes, options.width, options.layout,
                   options.image_size if options.auxiliary_head else 0, options.bn_scale == "on")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_network_options(parser)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--batch", required=True, help="safetensors with images [N,H,W,3] and labels [N]")
    parser.add_argument("--mode", choices=("train", "eval"), default="eval")
    arguments = parser.parse_args()
    dtype = DTYPES[arguments.dtype]
    network = network_of(arguments)
    record = {}
    with torch.no_grad():
        images = load_file(arguments.batch)["images"].to(dtype)
        forward(network, network.load(arguments.weights, dtype), images, arguments.mode == "train", record=record)
    for name, value in record.items():
        print(f"{name}\t{'x'.join(map(str, value.shape))}\t{value.norm().item():.17g}")


if __name__ == "__main__":
    main()
