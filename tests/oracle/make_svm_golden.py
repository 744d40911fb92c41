#!/usr/bin/env python3
"""Linear support vector machines by scikit-learn's LinearSVC: one against the rest, both losses, at the optimum.

    python3 tests/oracle/make_svm_golden.py      (numpy, scikit-learn) writes tests/golden/svm/*.txt

Rows are divided by their length (taken in f64, rounded to f32), as the paper's appendix G.1 has it. The tolerance is far below
scikit-learn's default; each solution is checked against a bound of its own: P(w) - min P <= |dP/dw|^2 / 2 for the squared
hinge, and for the hinge a second solution by a quadratic programme in the dual (scipy's L-BFGS-B).

File: "n d k m count", then n + m rows of d features (f32 values, 9 digits), n + m labels (the last m are held out), then for
each of `count` fits: loss (0 squared hinge, 1 hinge), C, objective summed over the machines, coefficients (machines rows of d +
1, the intercept last), 17 digits, and the m predictions. Machines: k, or one (class 1 against class 0) when k = 2.
"""
import pathlib
import warnings

import numpy as np
import sklearn
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC


def objective(w, x1, y, c, loss):
    slack = np.maximum(0, 1 - y * (x1 @ w))
    return 0.5 * w @ w + c * (slack if loss == "hinge" else slack**2).sum()


def check(w, x1, y, c, loss):
    """Asserts that w is the optimum to 1e-10 of the objective."""
    value = objective(w, x1, y, c, loss)
    if loss == "squared_hinge":
        slack = np.maximum(0, 1 - y * (x1 @ w))
        gradient = w - 2 * c * x1.T @ (y * slack)
        bound = 0.5 * gradient @ gradient
    else:
        q = (y[:, None] * x1) @ (y[:, None] * x1).T
        best = -np.inf
        start = np.full(len(y), c / 2)
        for _ in range(20):
            found = minimize(lambda a: (0.5 * a @ q @ a - a.sum(), q @ a - 1), start, jac=True, method="L-BFGS-B",
                             bounds=[(0, c)] * len(y),
                             options={"maxiter": 100000, "maxfun": 1000000, "ftol": 1e-18, "gtol": 1e-13, "maxcor": 50})
            best, start = max(best, -found.fun), found.x
        bound = value - best
    assert bound <= 1e-9 * value, (loss, c, bound / value)


def make(seed, n, m, d, k, spread):
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(k), rng.integers(0, k, n + m - k)])
    centres = rng.standard_normal((k, d)) * spread
    return np.maximum(centres[y] + rng.standard_normal((n + m, d)) + 0.5, 0).astype(np.float32), y


def write(path, x, y, n, k, costs):
    lengths = np.sqrt((x.astype(np.float64) ** 2).sum(axis=1))
    unit = np.where(lengths[:, None] > 0, x.astype(np.float64) / np.where(lengths > 0, lengths, 1)[:, None], 0)
    unit = unit.astype(np.float32).astype(np.float64)
    train, labels, rest = unit[:n], y[:n], unit[n:]
    x1 = np.hstack([train, np.ones((n, 1))])
    with open(path, "w") as out:
        print(n, x.shape[1], k, len(x) - n, 2 * len(costs), file=out)
        for row in x:
            print(*(f"{v:.9g}" for v in row), file=out)
        print(*y, file=out)
        for loss in ("squared_hinge", "hinge"):
            for c in costs:
                with warnings.catch_warnings():
                    warnings.simplefilter("error", ConvergenceWarning)
                    peer = LinearSVC(C=c, loss=loss, dual=True, tol=1e-11, max_iter=100000000, random_state=0)
                    peer.fit(train, labels)
                coefficients = np.hstack([peer.coef_, peer.intercept_[:, None]])
                total = 0.0
                for i, w in enumerate(coefficients):
                    sign = np.where(labels == (1 if k == 2 else i), 1.0, -1.0)
                    check(w, x1, sign, c, loss)
                    total += objective(w, x1, sign, c, loss)
                print(int(loss == "hinge"), f"{c:.17g}", f"{total:.17g}", file=out)
                for w in coefficients:
                    print(*(f"{v:.17g}" for v in w), file=out)
                print(*peer.predict(rest), file=out)
    print(f"{path}: {2 * len(costs)} fits, scikit-learn {sklearn.__version__}")


def main():
    folder = pathlib.Path(__file__).parent.parent / "golden/svm"
    folder.mkdir(exist_ok=True)
    x, y = make(1, 60, 40, 6, 4, 0.7)
    x[5] = 0  # a row without a direction stays zero
    write(folder / "four_classes.txt", x, y, 60, 4, [1e-3, 1e-1, 1.0, 10.0, 100.0])
    x, y = make(2, 40, 30, 5, 2, 0.5)
    write(folder / "two_classes.txt", x, y, 40, 2, [1e-3, 1.0, 100.0])


if __name__ == "__main__":
    main()
