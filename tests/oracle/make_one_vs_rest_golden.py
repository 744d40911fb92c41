"""Writes tests/golden/logreg/one_vs_rest.json: the one-vs-rest protocol on a small multi-label problem by scikit-learn.

For each class and each lambda LogisticRegression(C=1/lambda, solver="newton-cholesky", tol=1e-10) on the training rows that
are not difficult for the class: objective sum log(1 + exp(-y z)) + lambda/2 |w|^2 (extended precision), w, b, and the
11-point average precision of the validation rows by exact fractions. Then, for each class, the lambda of the best average
precision (of equal ones the larger) and the fit on training and validation rows together at that lambda.
Needs numpy and scikit-learn. Usage: python tests/oracle/make_one_vs_rest_golden.py [folder]
"""
import fractions
import json
import pathlib
import sys

import numpy as np
from sklearn.linear_model import LogisticRegression

LAMBDAS = [1e4, 1e2, 3.0, 1e-1, 1e-3]


def make(rng, rows, centres):
    """Each row shows 1 to 3 of the classes; one presence in ten is difficult."""
    classes, d = centres.shape
    presence = np.full((rows, classes), -1)
    x = np.zeros((rows, d))
    for i in range(rows):
        for c in rng.choice(classes, size=rng.integers(1, 4), replace=False):
            presence[i, c] = 0 if rng.random() < 0.1 else 1
            x[i] += centres[c]
    x = np.maximum(x + 1.5 * rng.standard_normal((rows, d)) + 0.5, 0).astype(np.float32)
    return x, presence


def fit(x, y, penalty):
    kept = y != 0
    x, y = x[kept].astype(np.float64), y[kept]
    model = LogisticRegression(C=1 / penalty, solver="newton-cholesky", tol=1e-10, max_iter=10000).fit(x, y)
    w, b = model.coef_[0], float(model.intercept_[0])
    z = (x @ w + b).astype(np.longdouble)
    objective = np.logaddexp(0, -y * z).sum() + 0.5 * penalty * (w.astype(np.longdouble) ** 2).sum()
    residual = 1 / (1 + np.exp(-z)) - (y > 0)
    gradient = np.append(x.T @ residual + penalty * w, residual.sum())
    # F - min F <= |gradient|^2 / (2 lambda) when the intercept is free and optimal
    assert float((gradient**2).sum()) / (2 * penalty) <= 1e-9 * float(objective), (penalty, np.abs(gradient).max())
    return {"objective": float(objective), "w": w.tolist(), "b": b}


def average_precision(scores, presence):
    kept = [(s, p) for s, p in zip(scores, presence) if p != 0]
    for (a, p), (b, q) in zip(sorted(kept), sorted(kept)[1:]):
        assert p == q or b - a > 2e-5 * np.abs(scores).max(), "two scores too near for a comparison of rankings"
    kept.sort(key=lambda pair: -pair[0])
    positives, hits, points = sum(p > 0 for _, p in kept), 0, []
    for rank, (_, p) in enumerate(kept, 1):
        hits += p > 0
        points.append((fractions.Fraction(hits, positives), fractions.Fraction(hits, rank)))
    best = [max(p for r, p in points if r >= fractions.Fraction(t, 10)) for t in range(11)]
    return float(sum(best) / 11)


def solve(seed):
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((5, 12))
    train, validation = make(rng, 140, centres), make(rng, 70, centres)
    both = [np.concatenate(pair) for pair in zip(train, validation)]
    classes = []
    for c in range(centres.shape[0]):
        path = []
        for penalty in LAMBDAS:
            found = fit(train[0], train[1][:, c], penalty)
            scores = validation[0].astype(np.float64) @ np.array(found["w"]) + found["b"]
            path.append({"lambda": penalty, **found, "average_precision": average_precision(scores, validation[1][:, c])})
        chosen = max(path, key=lambda p: (p["average_precision"], p["lambda"]))["lambda"]
        classes.append({"path": path, "chosen": chosen, "refit": fit(both[0], both[1][:, c], chosen)})
    text = {name: {"x": [[float(f"{v:.9g}") for v in row] for row in x.tolist()], "presence": p.tolist()}
            for name, (x, p) in {"train": train, "validation": validation}.items()}
    return {**text, "classes": classes}


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1] / "golden" / "logreg")
    for seed in range(1000):
        try:
            result = solve(seed)
        except AssertionError as reason:
            if "too near" not in str(reason):
                raise
            continue
        if len({c["chosen"] for c in result["classes"]}) >= 4:
            break
    print("seed", seed, "chosen", [c["chosen"] for c in result["classes"]])
    (folder / "one_vs_rest.json").write_text(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
