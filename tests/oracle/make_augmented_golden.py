#!/usr/bin/env python3
"""Linear classifiers trained by PyTorch's SGD in f64 on given batches of features: Nesterov momentum, cosine schedule, L2 penalty
on the weights alone.

    python3 tests/oracle/make_augmented_golden.py      (numpy, torch) writes tests/golden/augmented/*.txt

File: "steps n d k penalties rate", then the penalties; for each step n rows of d features (17 digits) and the labels: n class
numbers, or n rows of k of 1 (shown), -1 (not) and 0 (does not count); then for each step the mean loss of each classifier before
the step, and for each classifier W (d rows of k) and b (k) after the last step, 17 digits.
"""
import math
import pathlib

import numpy as np
import torch
import torch.nn.functional as F

RATE, MOMENTUM = 0.1, 0.9


def loss_of(scores, labels):
    if labels.ndim == 1:
        return F.cross_entropy(scores, labels)
    parts = F.binary_cross_entropy_with_logits(scores, (labels > 0).double(), weight=(labels != 0).double(),
                                               reduction="sum")
    return parts / len(scores)


def write(path, features, labels, k, penalties):
    steps, n, d = features.shape
    losses = np.zeros((steps, len(penalties)))
    weights = []
    for p, penalty in enumerate(penalties):
        w = torch.zeros((d, k), dtype=torch.float64, requires_grad=True)
        b = torch.zeros(k, dtype=torch.float64, requires_grad=True)
        sgd = torch.optim.SGD([{"params": [w], "weight_decay": penalty}, {"params": [b], "weight_decay": 0.0}], lr=RATE,
                              momentum=MOMENTUM, nesterov=True)
        for t in range(steps):
            for group in sgd.param_groups:
                group["lr"] = 0.5 * RATE * (1 + math.cos(math.pi * t / steps))
            sgd.zero_grad()
            loss = loss_of(torch.from_numpy(features[t]) @ w + b, torch.from_numpy(labels[t]))
            loss.backward()
            sgd.step()
            losses[t, p] = loss.item()
        weights.append((w.detach().numpy(), b.detach().numpy()))
    with open(path, "w") as out:
        print(steps, n, d, k, len(penalties), RATE, file=out)
        print(*(f"{v:.17g}" for v in penalties), file=out)
        for t in range(steps):
            for row in features[t]:
                print(*(f"{v:.17g}" for v in row), file=out)
            print(*labels[t].ravel(), file=out)
        for row in losses:
            print(*(f"{v:.17g}" for v in row), file=out)
        for w, b in weights:
            for row in w:
                print(*(f"{v:.17g}" for v in row), file=out)
            print(*(f"{v:.17g}" for v in b), file=out)
    print(f"{path}: {steps} steps, torch {torch.__version__}")


def main():
    folder = pathlib.Path(__file__).parent.parent / "golden/augmented"
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(3)
    steps, n, d, k = 12, 6, 5, 3
    features = np.maximum(rng.standard_normal((steps, n, d)) + 0.5, 0).round(6)
    labels = rng.integers(0, k, (steps, n))
    write(folder / "one_class.txt", features, labels, k, [0.1, 1e-3, 1e-10])
    presence = rng.choice([-1, 0, 1], (steps, n, k), p=[0.6, 0.1, 0.3])
    write(folder / "several_classes.txt", features, presence, k, [0.1, 1e-3])


if __name__ == "__main__":
    main()
