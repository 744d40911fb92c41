"""Writes tests/golden/tsne/digits.txt: 400 handwritten digits and how well scikit-learn's t-SNE embeds them.

    python tests/oracle/make_tsne_golden.py [folder]

Data: the first 400 images (8 x 8, 0..16) of E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits" (UCI
Machine Learning Repository, 1998, doi 10.24432/C50P49, CC BY 4.0), as scikit-learn has them.

P is computed here, in f64, from the definition: every row's beta by SciPy's brentq, all pairs. The KL divergences are of
scikit-learn's embeddings under this P, with an exact Q; so our embedding can be held to the same measure. Each is the
median over five runs, whose data were moved by 1e-7: their spread is that of the method. File: "n d perplexity", n rows of d pixels, then lines `name value`; "p i j value" are entries of P.
"""
import pathlib
import sys

import numpy as np
import scipy
import sklearn
from scipy.optimize import brentq
from sklearn.datasets import load_digits
from sklearn.manifold import TSNE, trustworthiness

N, PERPLEXITY, NEIGHBOURS = 400, 30.0, 12


def affinities(x):
    squared = ((x[:, None] - x[None]) ** 2).sum(axis=2)
    p = np.zeros_like(squared)
    for i in range(len(x)):
        others = np.arange(len(x)) != i
        d = squared[i, others]

        def row(beta):
            weights = np.exp(-beta * (d - d.min()))
            return weights / weights.sum()

        def excess(log_beta):
            q = row(np.exp(log_beta))
            return -(q[q > 0] * np.log(q[q > 0])).sum() - np.log(PERPLEXITY)

        p[i, others] = row(np.exp(brentq(excess, -30, 10, xtol=1e-14)))
    return (p + p.T) / (2 * len(x))


def divergence(p, y):
    y = y.astype(np.float64)
    k = 1 / (1 + ((y[:, None] - y[None]) ** 2).sum(axis=2))
    np.fill_diagonal(k, 0)
    q = k / k.sum()
    positive = p > 0
    return (p[positive] * np.log(p[positive] / q[positive])).sum()


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1] / "golden" / "tsne")
    folder.mkdir(parents=True, exist_ok=True)
    x = load_digits().data[:N]
    p = affinities(x)
    lines = [f"{N} {x.shape[1]} {PERPLEXITY:g}"]
    lines += [" ".join(f"{v:.0f}" for v in row) for row in x]
    for method in ("barnes_hut", "exact"):
        results = []
        for seed in range(5):
            y = TSNE(perplexity=PERPLEXITY, init="pca", method=method, angle=0.5, learning_rate="auto", max_iter=1000,
                     random_state=seed).fit_transform(x + 1e-7 * np.random.default_rng(seed).standard_normal(x.shape))
            results.append((divergence(p, y), trustworthiness(x, y, n_neighbors=NEIGHBOURS)))
        print(method, results)
        middle = np.median(results, axis=0)
        lines += [f"{method}_kl {middle[0]:.9f}", f"{method}_trustworthiness {middle[1]:.9f}"]
    # Trustworthiness of a projection, to hold the formula to many digits; moved a little so that no distances are equal.
    moved = x + 0.01 * np.sin(np.arange(x.size)).reshape(x.shape)
    plane = moved @ np.sin(np.arange(1, 2 * x.shape[1] + 1)).reshape(x.shape[1], 2)
    lines.append(f"plane_trustworthiness {trustworthiness(moved, plane, n_neighbors=NEIGHBOURS):.17g}")
    for i, j in [(0, 1), (0, 10), (17, 301), (399, 398), (250, 20), (77, 78)]:
        lines.append(f"p {i} {j} {p[i, j]:.17g}")
    print(f"scikit-learn {sklearn.__version__}, SciPy {scipy.__version__}, NumPy {np.__version__}")
    (folder / "digits.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
