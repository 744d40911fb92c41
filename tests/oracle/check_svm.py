#!/usr/bin/env python3
"""Holds the machines of `tv_linear_probe --classifier svm` to scikit-learn's LinearSVC on the same features.

    python3 tests/oracle/check_svm.py OUT [CACHE]      (numpy, scikit-learn, safetensors)

OUT is the program's --out, CACHE the folder of --cache where that is another. The refit is repeated at the chosen C on the training
and validation examples; compared are the objective summed over the machines, coefficients, and test predictions. Fails when the
objectives differ by more than both tolerances allow, or a prediction differs whose two highest scores are not nearly equal.
"""
import csv
import json
import pathlib
import sys

import numpy as np
import sklearn
from safetensors.numpy import load_file
from sklearn.svm import LinearSVC

out = pathlib.Path(sys.argv[1])
results = json.loads((out / "results.json").read_text())
cache = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else out
table = load_file(next(f for f in cache.glob("features-*.safetensors") if f.stem[9:] == results["digests"]["features"][:16]))
rows = list(csv.DictReader((out / "split.tsv").open(), delimiter="\t"))
number = {path: i for i, path in enumerate(sorted(row["path"] for row in rows))}  # folders are read in this order
at = {index: row for row, index in enumerate(table["indices"])}


def part(*names):
    chosen = [row for row in rows if row["split"] in names]
    places = [at[number[row["path"]]] for row in chosen]
    labels = np.array([int(row["label"]) for row in chosen])
    assert (table["labels"][places] == labels).all(), "the files are not in the order of their names"
    x = table["features"][places].astype(np.float64)
    lengths = np.sqrt((x**2).sum(axis=1, keepdims=True))
    return (x / np.where(lengths > 0, lengths, 1)).astype(np.float32).astype(np.float64), labels, chosen


def objective(coefficients, x1, labels, c, hinge):
    total = 0.0
    for i, w in enumerate(coefficients):
        slack = np.maximum(0, 1 - np.where(labels == i, 1.0, -1.0) * (x1 @ w))
        total += 0.5 * w @ w + c * (slack if hinge else slack**2).sum()
    return total


loss, c = results["svm"]["loss"], results["chosen_C"]
x, labels, _ = part("train", "validation")
peer = LinearSVC(C=c, loss=loss, dual=loss == "hinge", tol=1e-8, max_iter=1000000, random_state=0).fit(x, labels)
own = load_file(out / "classifier.safetensors")
x1 = np.hstack([x, np.ones((len(x), 1))])
mine = np.hstack([own["weights"].T, own["intercept"][:, None]]).astype(np.float64)
theirs = np.hstack([peer.coef_, peer.intercept_[:, None]])
a, b = objective(mine, x1, labels, c, loss == "hinge"), objective(theirs, x1, labels, c, loss == "hinge")
test, truth, chosen = part("test")
scores = peer.decision_function(test)
predicted = {row["path"]: int(row["prediction"]) for row in csv.DictReader((out / "predictions.csv").open())}
mine_predicted = np.array([predicted[row["path"]] for row in chosen])
differ = np.flatnonzero(mine_predicted != scores.argmax(axis=1))
two = np.sort(scores, axis=1)
print(f"{loss}, C {c:.6g}, scikit-learn {sklearn.__version__}: {len(mine)} machines, {len(x)} x {x.shape[1]} features")
print(f"objective {a:.9e}, scikit-learn's {b:.9e}, relative difference {(a - b) / b:.1e}")
print(f"largest difference of a coefficient {np.abs(mine - theirs).max():.1e}, of {np.abs(theirs).max():.3g}")
print(f"test accuracy {(mine_predicted == truth).mean():.6f}, scikit-learn's {(scores.argmax(axis=1) == truth).mean():.6f}; "
      f"{len(differ)} of {len(truth)} predictions differ")
assert abs(a - b) <= 2e-6 * b
assert all(two[i, -1] - two[i, -2] < 1e-2 for i in differ)
