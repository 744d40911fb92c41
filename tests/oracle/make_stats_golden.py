#!/usr/bin/env python3
"""Prints the literal values in tests/stats, computed by SciPy, statsmodels and scikit-learn.

    pip install scipy statsmodels scikit-learn && python3 make_stats_golden.py
"""

import numpy
import scipy
import sklearn
import statsmodels
from scipy import stats
from sklearn.metrics import balanced_accuracy_score, confusion_matrix
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint


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


if __name__ == "__main__":
    main()
