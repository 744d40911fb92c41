#!/usr/bin/env python3
"""Prints the literal values in tests/stats, computed by SciPy, statsmodels, scikit-learn and, in some minutes, mpmath.

    pip install scipy statsmodels scikit-learn mpmath && python3 make_stats_golden.py
"""

import mpmath
import numpy
import scipy
import sklearn
import statsmodels
from scipy import stats
from sklearn.metrics import balanced_accuracy_score, confusion_matrix
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint


def correlation_cdf(r, rho, n):
    """P(R <= r): Fisher's density of 1915, a double integral, in 20 digits."""
    def inner(x):
        return mpmath.quad(lambda w: (mpmath.cosh(w) - rho * x) ** (1 - n), [0, 1, 4, mpmath.inf])

    def density(t):  # x = sin t
        return mpmath.cos(t) ** (n - 3) * inner(mpmath.sin(t))
    top = mpmath.asin(r)
    return (n - 2) / mpmath.pi * (1 - mpmath.mpf(rho) ** 2) ** (mpmath.mpf(n - 1) / 2) * mpmath.quad(
        density, [-mpmath.pi / 2, top - (top + mpmath.pi / 2) / 10, top])


def correlation_interval(r, n, confidence, start):
    """The rho of which r is the upper, then the lower quantile, from a guess of both."""
    tail = (1 - mpmath.mpf(confidence)) / 2
    return [mpmath.tanh(mpmath.findroot(lambda z: correlation_cdf(mpmath.mpf(r), mpmath.tanh(z), n) - p,
                                        (mpmath.atanh(s) - 0.01, mpmath.atanh(s) + 0.01), tol=1e-15))
            for p, s in zip((1 - tail, tail), start)]


def main():
    print(f"// SciPy {scipy.__version__}, statsmodels {statsmodels.__version__}, scikit-learn {sklearn.__version__}")

    print("\n// correct, total, confidence, Wilson low, high, Clopper-Pearson low, high")
    cases = [(0, 1, 0.95), (1, 1, 0.95), (1, 2, 0.95), (0, 20, 0.95), (3, 20, 0.95), (20, 20, 0.95), (81, 263, 0.95),
             (4517, 5000, 0.95), (4517, 5000, 0.99), (4999, 5000, 0.95), (38000, 50000, 0.95), (500000, 1000000, 0.90)]
    for k, n, confidence in cases:
        wilson = proportion_confint(k, n, alpha=1 - confidence, method="wilson")
        # Away from the ends statsmodels' "beta" method and SciPy's agree; SciPy's also handles k = 0 and k = n.
        exact = stats.binomtest(k, n).proportion_ci(confidence_level=confidence, method="exact")
        print(f"{{{k}, {n}, {confidence}, {wilson[0]:.17g}, {wilson[1]:.17g}, {exact.low:.17g}, {exact.high:.17g}}},")

    print("\n// only_first, only_second, exact, mid-p")
    for b, c in [(0, 0), (1, 0), (0, 5), (5, 0), (4, 4), (3, 9), (9, 3), (1, 20), (10, 12), (59, 6), (121, 86),
                 (700, 1000), (2000, 2000), (2000, 2001), (100, 900)]:
        exact = mcnemar([[0, b], [c, 0]], exact=True).pvalue if b + c else 1.0
        m, n = min(b, c), b + c
        mid = 1.0 if b == c else 2 * stats.binom.cdf(m, n, 0.5) - stats.binom.pmf(m, n, 0.5)
        print(f"{{{b}, {c}, {exact:.17g}, {mid:.17g}}},")

    print("\n// balanced accuracy (mean recall over the classes present), confusion matrix of 7 classes, class 5 absent")
    truth = [0, 0, 0, 1, 1, 2, 2, 2, 2, 3, 4, 4, 6, 6, 6]
    guess = [0, 1, 0, 1, 1, 2, 0, 2, 5, 6, 4, 3, 6, 6, 0]
    print(f"{balanced_accuracy_score(truth, guess):.17g}")
    print(confusion_matrix(truth, guess, labels=range(7)).tolist())

    print("\n// exact permutation p-value of the mean per-class difference, discordant examples of 20")
    labels = numpy.array([0] * 2 + [1] * 5 + [2] * 13)
    first = numpy.array([1, 1] + [1, 1, 1, 1, 0] + [1, 1, 0, 1, 1, 1, 0, 0, 1, 1, 0, 0, 1])
    second = numpy.array([0, 1] + [0, 0, 1, 0, 1] + [0, 1, 0, 1, 0, 1, 1, 0, 0, 1, 1, 1, 0])
    weight = (first - second) / numpy.bincount(labels)[labels] / 3
    change = weight[weight != 0]
    signs = 1 - 2 * ((numpy.arange(2 ** len(change))[:, None] >> numpy.arange(len(change))) & 1)
    extreme = numpy.abs(signs @ change) >= abs(change.sum()) - 1e-12
    print(f"difference {change.sum():.17g}, discordant {len(change)}, p {extreme.mean():.17g}")

    print(f"\n// mpmath {mpmath.__version__}: r, pairs, confidence, exact interval low, high")
    mpmath.mp.dps = 20
    for r, n, confidence, start in [(0, 3, 0.95, (-0.95, 0.95)), (0.986, 3, 0.95, (-0.43, 0.9993)),
                                    (-0.275, 3, 0.9, (-0.93, 0.85)), (0.3, 4, 0.95, (-0.81, 0.92)),
                                    (0.9, 5, 0.99, (-0.2, 0.99)), (-0.986, 8, 0.95, (-0.9968, -0.911)),
                                    (0.9, 16, 0.95, (0.718, 0.962)), (0.3, 60, 0.95, (0.05, 0.51))]:
        low, high = correlation_interval(r, n, confidence, start)
        print(f"{{{r}, {n}, {confidence}, {mpmath.nstr(low, 15)}, {mpmath.nstr(high, 15)}}},", flush=True)


if __name__ == "__main__":
    main()
