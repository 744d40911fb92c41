"""PyTorch's side of the CPU bench: the sixteen networks, inference and training step, f32, at their own image sizes.

Plain eager PyTorch as its users run it: torchvision's model where it has one, else timm's, else one built from the table
of operations (table_network.py); MobileNet v1 is written here. No auxiliary heads, no dropout. Inference: evaluation mode under inference_mode. Training step:
forward, cross-entropy, backward, SGD (Nesterov momentum 0.9, weight decay 8e-5), gradients set to none.

`--serve` answers a line protocol on standard input and output, so that a driver can interleave two programs:
    run NETWORK MODE BATCH      ->  seconds of one step, in the better memory layout (channels_last or contiguous)
    layout NETWORK MODE BATCH   ->  channels_last | contiguous
    quit
The first `run` of a configuration builds it and tries both layouts (two warm-up and three timed steps each; of steps
above two seconds, one warm-up and one timed).
`--memory NETWORK MODE BATCH` prints the peak resident MB of three steps minus the resident MB after imports, for the
layout given by `--layout`.
"""
import argparse
import contextlib
import ctypes
import resource
import sys
import time

import torch
import torchvision
from torch import nn

LAYOUTS = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}


def conv_bn(cin, cout, kernel, stride, groups=1):
    return [nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(cout, eps=1e-3), nn.ReLU6(inplace=True)]


class MobileNetV1(nn.Module):
    """Howard et al. 2017, table 1: a 3x3 convolution, then thirteen (depthwise 3x3, pointwise 1x1) pairs."""

    def __init__(self, classes=1000):
        super().__init__()
        pairs = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
        layers, channels = conv_bn(3, 32, 3, 2), 32
        for cout, stride in pairs:
            layers += conv_bn(channels, channels, 3, stride, groups=channels) + conv_bn(channels, cout, 1, 1)
            channels = cout
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


def from_timm(name):
    with contextlib.redirect_stdout(sys.stderr):  # standard output is the protocol's
        import timm

    return timm.create_model(name, pretrained=False, num_classes=1000)


def from_table(name):
    import table_network

    return table_network.TableNetwork(name)


MODELS = torchvision.models
BUILD = {
    "inception_v1": lambda: MODELS.googlenet(weights=None, aux_logits=False, init_weights=False, dropout=0.0),
    "bn_inception": lambda: from_table("bn_inception"),
    "inception_v3": lambda: MODELS.inception_v3(weights=None, aux_logits=False, init_weights=False, dropout=0.0),
    "inception_v4": lambda: from_timm("inception_v4"),
    "inception_resnet_v2": lambda: from_timm("inception_resnet_v2"),
    "resnet50_v1": lambda: MODELS.resnet50(weights=None),
    "resnet101_v1": lambda: MODELS.resnet101(weights=None),
    "resnet152_v1": lambda: MODELS.resnet152(weights=None),
    "densenet121": lambda: MODELS.densenet121(weights=None),
    "densenet169": lambda: MODELS.densenet169(weights=None),
    "densenet201": lambda: MODELS.densenet201(weights=None),
    "mobilenet_v1": MobileNetV1,
    "mobilenet_v2": lambda: MODELS.mobilenet_v2(weights=None, dropout=0.0),
    "mobilenet_v2_140": lambda: MODELS.mobilenet_v2(weights=None, dropout=0.0, width_mult=1.4),
    "nasnet_a_mobile": lambda: from_table("nasnet_a_mobile"),
    "nasnet_a_large": lambda: from_timm("nasnetalarge"),
}
SIZES = {"inception_v3": 299, "inception_v4": 299, "inception_resnet_v2": 299, "nasnet_a_large": 331}  # else 224


class Job:
    """One network, mode and batch in one layout; step() runs it once."""

    def __init__(self, network, mode, batch, layout):
        torch.manual_seed(0)
        size = SIZES.get(network, 224)
        memory = LAYOUTS[layout]
        self.training = mode == "train"
        self.model = BUILD[network]().to(memory_format=memory).train(self.training)
        self.images = torch.randn(batch, 3, size, size).contiguous(memory_format=memory)
        self.labels = torch.randint(0, 1000, (batch,))
        if self.training:
            self.optimiser = torch.optim.SGD(self.model.parameters(), lr=0.01, momentum=0.9, nesterov=True,
                                             weight_decay=8e-5)

    def step(self):
        if not self.training:
            with torch.inference_mode():
                return self.model(self.images)
        self.optimiser.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(self.model(self.images), self.labels)
        loss.backward()
        self.optimiser.step()
        return loss

    def timed(self):
        start = time.perf_counter()
        self.step()
        return time.perf_counter() - start


class Server:
    """Holds the jobs asked for so far; a new network drops the old ones to bound memory."""

    def __init__(self):
        self.jobs, self.best = {}, {}

    def job(self, network, mode, batch):
        key = (network, mode, batch)
        if key not in self.jobs:
            self.jobs = {k: v for k, v in self.jobs.items() if k[0] == network}
            if key not in self.best:
                trials = {}
                for layout in LAYOUTS:
                    job = Job(network, mode, batch, layout)
                    slow = job.timed() > 2
                    if not slow:
                        job.step()
                    trials[layout] = min(job.timed() for _ in range(1 if slow else 3))
                    del job
                self.best[key] = min(trials, key=trials.get)
            self.jobs[key] = Job(network, mode, batch, self.best[key])
            self.jobs[key].step()
        return self.jobs[key]

    def answer(self, words):
        if len(words) != 4 or words[0] not in ("run", "layout") or words[1] not in BUILD \
                or words[2] not in ("inference", "train") or not words[3].isdigit():
            return f"error: {' '.join(words)}"
        key = (words[1], words[2], int(words[3]))
        job = self.job(*key)
        return self.best[key] if words[0] == "layout" else f"{job.timed():.9f}"


def resident_mb():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


def peak_mb():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 / 1e6 for line in file if line.startswith("VmHWM"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--memory", nargs=3, metavar=("NETWORK", "MODE", "BATCH"))
    parser.add_argument("--layout", choices=LAYOUTS, default="channels_last", help="for --memory")
    parser.add_argument("--version", action="store_true", help="print the versions and stop")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.version:
        print(f"torch {torch.__version__} torchvision {torchvision.__version__} "
              f"cpu_capability {torch.backends.cpu.get_cpu_capability()} oneDNN {torch.backends.mkldnn.is_available()}")
    elif options.memory:
        ctypes.CDLL(None).malloc_trim(0)
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # forget the imports' own peak
        before = resident_mb()
        network, mode, batch = options.memory
        job = Job(network, mode, int(batch), options.layout)
        for _ in range(3):
            job.step()
        print(f"{peak_mb() - before:.1f}")
    elif options.serve:
        server = Server()
        for line in sys.stdin:
            words = line.split()
            if words == ["quit"]:
                break
            print(server.answer(words), flush=True)
    else:
        parser.error("one of --serve, --memory, --version")


if __name__ == "__main__":
    main()
