"""Writes tests/golden/logreg/*.txt: small multinomial logistic regressions and their optima.

Objective: sum of the per-example losses + lambda/2 |W|^2, intercepts free with mean zero. Each optimum comes from
scipy's trust-exact with exact Hessians in f64, is polished by Newton steps, and is compared with scikit-learn's newton-cg
(C = 1/lambda; with two classes scikit-learn fits one weight vector w = W_1 - W_0, whose penalty is |w|^2/2 of ours).
Needs numpy, scipy, scikit-learn. Usage: python tests/oracle/make_logreg_golden.py [folder]

File: "n d k count", then n rows of d features (f32 values, 9 digits), n labels, then for each lambda:
lambda, objective, W (d rows of k), b (k), 17 digits.
"""
import pathlib
import sys

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax
from sklearn.linear_model import LogisticRegression


def problem(x, y, k, penalty):
    n, d = x.shape
    onehot = np.eye(k)[y]

    def split(v):
        return v[: d * k].reshape(d, k), v[d * k:]

    def value(v):
        w, b = split(v)
        z = x @ w + b
        own = z[np.arange(n), y]
        # 1/2 (sum b)^2 only fixes the constant that the loss leaves open
        return (logsumexp(z, axis=1) - own).sum() + 0.5 * penalty * (w**2).sum() + 0.5 * b.sum() ** 2

    def gradient(v):
        w, b = split(v)
        r = softmax(x @ w + b, axis=1) - onehot
        return np.concatenate([(x.T @ r + penalty * w).ravel(), r.sum(axis=0) + b.sum()])

    def hessian(v):
        w, b = split(v)
        p = softmax(x @ w + b, axis=1)
        a = np.hstack([x, np.ones((n, 1))])
        s = np.einsum("nk,kl->nkl", p, np.eye(k)) - np.einsum("nk,nl->nkl", p, p)
        h = np.einsum("ni,nkl,nj->ikjl", a, s, a, optimize=True).reshape((d + 1) * k, (d + 1) * k)
        h[np.arange(d * k), np.arange(d * k)] += penalty
        h[d * k:, d * k:] += 1.0
        return h

    return value, gradient, hessian, split


def solve(x, y, k, penalty):
    value, gradient, hessian, split = problem(x, y, k, penalty)
    start = np.zeros((x.shape[1] + 1) * k)
    v = minimize(value, start, jac=gradient, hess=hessian, method="trust-exact",
                 options={"gtol": 1e-9, "maxiter": 2000}).x
    for _ in range(5):
        v = v - np.linalg.solve(hessian(v), gradient(v))
    w, b = split(v)
    b = b - b.mean()
    z = (x @ w + b).astype(np.longdouble)
    margins = np.exp(z - z[np.arange(len(y)), y][:, None])
    margins[np.arange(len(y)), y] = 0  # log1p keeps the digits of a loss near zero
    best = np.log1p(margins.sum(axis=1)).sum() + 0.5 * np.longdouble(penalty) * (w.astype(np.longdouble) ** 2).sum()
    best = float(best)
    assert np.abs(gradient(v)).max() < 1e-9, (penalty, np.abs(gradient(v)).max())
    if penalty >= 1e-3:
        peer = LogisticRegression(solver="newton-cg", C=1.0 / penalty * (2.0 if k == 2 else 1.0), tol=1e-12,
                                  max_iter=10000).fit(x, y)
        coefficient, intercept = peer.coef_.T, peer.intercept_
        if k == 2:
            coefficient = np.hstack([-coefficient, coefficient]) / 2
            intercept = np.array([-intercept[0], intercept[0]]) / 2
        theirs = value(np.concatenate([coefficient.ravel(), intercept - intercept.mean()]))
        assert abs(theirs - best) <= 1e-9 * best, (penalty, theirs, best)
        assert np.abs(coefficient - w).max() <= 1e-4 * np.abs(w).max(), penalty
    return best, w, b


def write(path, x, y, k, penalties):
    with open(path, "w") as out:
        print(*x.shape, k, len(penalties), file=out)
        for row in x:
            print(*(f"{v:.9g}" for v in row), file=out)
        print(*y, file=out)
        for penalty in penalties:
            best, w, b = solve(x.astype(np.float64), y, k, penalty)
            print(f"{penalty:.17g} {best:.17g}", file=out)
            for row in w:
                print(*(f"{v:.17g}" for v in row), file=out)
            print(*(f"{v:.17g}" for v in b), file=out)


def make(seed, n, d, k, spread, offset):
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(k), rng.integers(0, k, n - k)])
    centres = rng.standard_normal((k, d)) * spread
    x = np.maximum(centres[y] + rng.standard_normal((n, d)) + offset, 0)
    return x.astype(np.float32), y


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1] / "golden" / "logreg")
    folder.mkdir(parents=True, exist_ok=True)
    penalties = [1e5, 1e2, 1.0, 1e-2, 1e-4, 1e-6]
    write(folder / "overlapping.txt", *make(1, 90, 6, 4, 0.5, 0.5), 4, penalties)
    write(folder / "separable.txt", *make(2, 40, 12, 3, 3.0, 1.0), 3, penalties)
    write(folder / "binary.txt", *make(3, 50, 5, 2, 0.5, 0.5), 2, penalties)
    write(folder / "wide.txt", *make(4, 20, 32, 3, 1.0, 0.5), 3, penalties)


if __name__ == "__main__":
    main()
