"""PyTorch's side of gpu-check: a training step and an inference of torchvision's networks on a CUDA device.

Prints one line with its versions, then answers each line of standard input with one line:
    run NETWORK MODE BATCH PRECISION HOW   ->  seconds of one step, or "error: why"
NETWORK is mobilenet_v2 or resnet50_v1; MODE train or inference; PRECISION f32 or bf16 (autocast); HOW eager or compile.
Channels-last, cuDNN benchmark mode on, TF32 off. The training step: forward, cross-entropy, backward, SGD (Nesterov
momentum 0.9, weight decay 4e-5, fused), and the loss read by the host, as ours does. Five steps warm up a configuration.
"""
import sys
import time

import torch
import torchvision

BUILD = {"mobilenet_v2": lambda: torchvision.models.mobilenet_v2(weights=None, dropout=0.0),
         "resnet50_v1": lambda: torchvision.models.resnet50(weights=None)}


class Job:
    def __init__(self, network, mode, batch, precision, how):
        torch.manual_seed(0)
        self.training = mode == "train"
        self.dtype = torch.bfloat16 if precision == "bf16" else None
        self.model = BUILD[network]().cuda().to(memory_format=torch.channels_last).train(self.training)
        self.call = torch.compile(self.model) if how == "compile" else self.model
        self.images = torch.randn(batch, 3, 224, 224, device="cuda").contiguous(memory_format=torch.channels_last)
        self.labels = torch.randint(0, 1000, (batch,), device="cuda")
        self.optimiser = torch.optim.SGD(self.model.parameters(), lr=1e-3, momentum=0.9, nesterov=True,
                                         weight_decay=4e-5, fused=True)

    def forward(self):
        with torch.autocast("cuda", dtype=self.dtype, enabled=self.dtype is not None):
            return self.call(self.images)

    def step(self):
        if not self.training:
            with torch.inference_mode():
                self.forward()
            return
        self.optimiser.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(self.forward().float(), self.labels)
        loss.backward()
        self.optimiser.step()
        loss.item()

    def seconds(self):
        torch.cuda.synchronize()
        begin = time.perf_counter()
        self.step()
        torch.cuda.synchronize()
        return time.perf_counter() - begin


def main():
    if not torch.cuda.is_available():
        return 1
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    print(f"PyTorch {torch.__version__}, torchvision {torchvision.__version__}, cuDNN {torch.backends.cudnn.version()}",
          flush=True)
    key, job = None, None
    for line in sys.stdin:
        words = line.split()
        try:
            if words != key:
                job, key = None, None
                torch.cuda.empty_cache()
                job = Job(words[1], words[2], int(words[3]), words[4], words[5])
                for _ in range(5):
                    job.step()
                key = words
            print(f"{job.seconds():.6f}", flush=True)
        except Exception as error:  # the driver shows it in the table
            print("error:", " ".join(str(error).split())[:200], flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
