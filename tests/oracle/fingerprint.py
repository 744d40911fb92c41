"""Compact fingerprint of a trace folder, small enough to commit, exact enough to hold a trace to 1e-9.

Of a tensor b with n entries, flat index i in the stored (row-major) order:
    norm           sqrt(sum b_i^2)
    maximum        max |b_i|
    projection j   sum_i s(i, j) b_i; s = +1 if the top bit of splitmix64(4 i + j) is set, else -1   (j = 0..3)
    entry k        b at floor(k n / 4) + floor(n / 8)                                                (k = 0..3)
with splitmix64 as in make_inputs.py. Activations and ema hold 4 numbers [norm, maximum, 2 projections], everything else
10: [norm, maximum, 4 projections, 4 entries]. Only the first and the last step are kept (ema: the last) and all losses.
`--brief` keeps 4 numbers of the activations and gradients of the first step alone, and all losses: what an update did is
in the losses that follow it.
JSON: {"format": 1, "settings": {...}, "losses": [one a step], "tensors": {name: n}, "steps": {"0": {name: [numbers]}}}.

`--check FILE` compares a folder with a fingerprint: every number within tol * scale, where
scale = max(maximum, 1e-3 * largest maximum of that kind in the step), times sqrt(n) for norms and projections.
"""
import argparse
import json
import math
import pathlib
import re
import sys

import numpy as np
from safetensors import safe_open

from make_inputs import splitmix64

PROJECTIONS = 4
SIGNS = {}  # projection -> signs for the longest tensor seen


def signs(count, projection):
    if projection not in SIGNS or len(SIGNS[projection]) < count:
        index = np.arange(count, dtype=np.uint64) * np.uint64(4) + np.uint64(projection)
        top = (splitmix64(index) >> np.uint64(63)).astype(np.int8)
        SIGNS[projection] = (2 * top - 1).astype(np.float64)
    return SIGNS[projection][:count]


def entry_positions(count):
    return [k * count // 4 + count // 8 for k in range(4)]


def level(name, step, last, brief=False):
    """How much of a tensor is kept: everything in the first and the last step (ema in the last alone)."""
    kind = name.split("/", 1)[0]
    if brief:
        return "none" if step > 0 or kind in ("weight", "ema") else "short"
    if step not in (0, last) or (kind == "ema" and step != last):
        return "none"
    return "short" if kind in ("activation", "ema") else "full"


def numbers(values, how):
    """The list stored for a tensor."""
    b = values.astype(np.float64).reshape(-1)
    result = [math.sqrt(float(np.dot(b, b))), float(np.abs(b).max())]
    result += [float(np.dot(b, signs(b.size, j))) for j in range(PROJECTIONS if how == "full" else 2)]
    if how == "full":
        result += [float(b[i]) for i in entry_positions(b.size)]
    return result


def fingerprint(folder, settings, brief=False):
    paths = sorted(folder.glob("step_*.safetensors"))
    if not paths:
        raise SystemExit(f"{folder}: no step_*.safetensors")
    result = {"format": 1, "settings": settings, "losses": [], "tensors": {}, "steps": {}}
    for step, path in enumerate(paths):
        entries = {}
        with safe_open(str(path), "np") as file:
            result["losses"].append(float(file.get_tensor("loss").reshape(-1)[0]))
            for name in sorted(file.keys()):
                how = level(name, step, len(paths) - 1, brief)
                if how == "none":
                    continue
                values = file.get_tensor(name)
                result["tensors"][name] = int(values.size)
                entries[name] = numbers(values, how)
        if entries:
            result["steps"][str(step)] = entries
    return result


def check(folder, golden, tolerance):
    """Largest violation ratio (1 means at the tolerance) and the tensor it is in."""
    worst, where = 0.0, ""

    def consider(ratio, text):
        nonlocal worst, where
        if not ratio <= worst:  # a NaN wins
            worst, where = ratio, text

    for step, entries in golden["steps"].items():
        largest = {}
        for name, stored in entries.items():
            kind = name.split("/", 1)[0]
            largest[kind] = max(largest.get(kind, 0.0), stored[1])
        with safe_open(str(folder / f"step_{int(step):03d}.safetensors"), "np") as file:
            for name, stored in entries.items():
                values = file.get_tensor(name)
                if values.size != golden["tensors"][name]:
                    raise SystemExit(f"step {step}: {name} has {values.size} entries, not {golden['tensors'][name]}")
                scale = tolerance * max(stored[1], 1e-3 * largest[name.split("/", 1)[0]])
                measured = numbers(values, "short" if len(stored) == 4 else "full")
                for position, (a, b) in enumerate(zip(measured, stored)):
                    spread = math.sqrt(values.size) if position == 0 or 2 <= position < 6 else 1.0
                    if a != b:
                        consider(abs(a - b) / (scale * spread), f"step {step}: {name} [{position}]")
    for step, stored in enumerate(golden["losses"]):
        with safe_open(str(folder / f"step_{step:03d}.safetensors"), "np") as file:
            loss = float(file.get_tensor("loss").reshape(-1)[0])
        if loss != stored:
            consider(abs(loss - stored) / (tolerance * abs(stored)), f"step {step}: loss")
    return worst, where


def dump_json(data, path):
    """One tensor a line; Python's repr of a float is the shortest that reads back as the same f64."""
    text = json.dumps(data, indent=0, separators=(",", ":"))
    text = re.sub(r"\[\n([^\]]*)\n\]", lambda m: "[" + m.group(1).replace("\n", "") + "]", text)
    pathlib.Path(path).write_text(text + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--out", help="fingerprint to write")
    parser.add_argument("--check", help="fingerprint to compare with")
    parser.add_argument("--tol", type=float, default=1e-9)
    parser.add_argument("--settings", default="{}", help="JSON object kept in the fingerprint: how to make the trace")
    parser.add_argument("--brief", action="store_true", help="activations and gradients of the first step alone")
    options = parser.parse_args()
    if options.out:
        dump_json(fingerprint(options.folder, json.loads(options.settings), options.brief), options.out)
    if options.check:
        golden = json.loads(pathlib.Path(options.check).read_text())
        worst, where = check(options.folder, golden, options.tol)
        print(f"largest deviation {worst:.3e} of the tolerance {options.tol:g}: {where}")
        sys.exit(0 if worst <= 1 else 1)


if __name__ == "__main__":
    main()
