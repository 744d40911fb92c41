"""Compares two trace folders, step by step and tensor by tensor.

A tensor a agrees with its reference b when
    max|a - b| <= tol * max(max|b|, 1e-3 * largest max|b| of that kind in the step),
where the kind is what stands before the first '/' of the name. Sizes must agree (axes of size 1 may differ); a tensor
or a step on one side alone, and any NaN, is a failure. The losses of all steps (trace.csv), also of those that left no file,
agree when |a - b| <= tol |b|. Exit status 0 when everything agrees, 1 otherwise.
"""
import argparse
import pathlib
import sys

import numpy as np
from safetensors import safe_open


def squeezed(shape):
    return [n for n in shape if n != 1]


def compare_step(ours, reference, tolerance, report):
    """Returns rows (kind, worst name, worst difference, worst ratio, tensors) and whether all agree."""
    with safe_open(str(ours), "np") as a, safe_open(str(reference), "np") as b:
        names, expected = set(a.keys()), set(b.keys())
        agree = names == expected
        for name in sorted(expected - names):
            report(f"  missing: {name}")
        for name in sorted(names - expected):
            report(f"  extra: {name}")
        difference, largest, kinds = {}, {}, {}
        for name in sorted(names & expected):
            x, y = a.get_tensor(name).astype(np.float64), b.get_tensor(name).astype(np.float64)
            if squeezed(x.shape) != squeezed(y.shape):
                report(f"  shape of {name}: {x.shape}, expected {y.shape}")
                agree = False
                continue
            gap = np.abs(x.reshape(-1) - y.reshape(-1)).max() if x.size else 0.0
            difference[name] = gap if gap == gap else np.inf
            largest[name] = np.abs(y).max() if y.size else 0.0
            kinds.setdefault(name.split("/", 1)[0], []).append(name)
    rows = []
    for kind, members in sorted(kinds.items()):
        floor = 1e-3 * max(largest[name] for name in members)

        def ratio(name):
            scale = max(largest[name], floor)
            return difference[name] / scale if scale > 0 else (0.0 if difference[name] == 0 else np.inf)

        worst = max(members, key=ratio)
        agree = agree and ratio(worst) <= tolerance
        rows.append((kind, worst, difference[worst], ratio(worst), len(members)))
    return rows, agree


def compare_losses(ours, reference):
    """The largest |a - b| / |b| of the losses of two trace.csv, its step, and how many there are."""
    rows = [[line.split(",") for line in (folder / "trace.csv").read_text().split()[1:]] for folder in (ours, reference)]
    if [step for step, _ in rows[0]] != [step for step, _ in rows[1]]:
        return float("inf"), "steps differ", len(rows[1])
    ratios = [(abs(float(a) - float(b)) / abs(float(b)), step) for (step, a), (_, b) in zip(*rows)]
    worst = max(ratios, key=lambda r: r[0] if r[0] == r[0] else float("inf"))
    return (worst[0] if worst[0] == worst[0] else float("inf")), f"step {worst[1]}", len(ratios)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ours", type=pathlib.Path)
    parser.add_argument("reference", type=pathlib.Path)
    parser.add_argument("--tol", type=float, default=1e-9)
    options = parser.parse_args()
    ours = {path.name: path for path in options.ours.glob("step_*.safetensors")}
    reference = {path.name: path for path in options.reference.glob("step_*.safetensors")}
    agree = bool(reference) and set(ours) == set(reference)
    for name in sorted(set(ours) ^ set(reference)):
        print(f"{name} is in one folder alone")
    print(f"{'step':20} {'kind':12} {'tensors':>7} {'worst/tol scale':>15}  worst tensor")
    overall, worst_loss, count = compare_losses(options.ours, options.reference)
    agree = agree and overall <= options.tol
    print(f"{'all steps':20} {'loss':12} {count:7d} {overall:15.3e}  {worst_loss}{'' if overall <= options.tol else '  FAIL'}")
    for step in sorted(set(ours) & set(reference)):
        rows, good = compare_step(ours[step], reference[step], options.tol, print)
        agree = agree and good
        for kind, worst, gap, ratio, count in rows:
            overall = max(overall, ratio)
            mark = "" if ratio <= options.tol else "  FAIL"
            print(f"{step[:-12]:20} {kind:12} {count:7d} {ratio:15.3e}  {worst} (|a-b| {gap:.3e}){mark}")
    print(f"{'agree' if agree else 'DISAGREE'}: largest ratio {overall:.3e}, tolerance {options.tol:g}")
    sys.exit(0 if agree else 1)


if __name__ == "__main__":
    main()
