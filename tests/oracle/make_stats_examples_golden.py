#!/usr/bin/env python3
"""Writes tests/golden/stats: permutation tests, metrics and near duplicates of 200 small random sets of examples, by SciPy,
scikit-learn, NumPy and exact fractions.

    pip install numpy scipy statsmodels scikit-learn
    python3 tests/oracle/make_stats_examples_golden.py tests/golden/stats [FAMILY...]

Inputs are made as in make_stats_tests_golden.py, here and in tests/stats/golden_examples_test.cpp.
"""

from fractions import Fraction

import numpy as np
import scipy
import sklearn
from scipy import special, stats
from sklearn import metrics as sk
from sklearn.metrics.pairwise import cosine_similarity

from make_stats_tests_golden import CASES, LEVELS, Lcg, write


def enumerated(statistic, n):
    """Observed value and p over all 2^n exchanges; `statistic(first, second)` takes who answers for each example, 0 or 1,
    along the last axis. SciPy enumerates; p counts values at least as large in magnitude as the observed one."""
    test = stats.permutation_test((np.zeros(n, int), np.ones(n, int)), lambda a, b, axis: statistic(a, b),
                                  permutation_type="samples", vectorized=True, n_resamples=np.inf)
    assert len(test.null_distribution) == 2**n
    extreme = np.abs(test.null_distribution) >= abs(test.statistic) - 1e-12
    return [float(test.statistic), float(extreme.mean())]


def single_labels(case):
    """Labels and hits of two classifiers of 4 to 10 examples."""
    lcg, n, classes = Lcg(10, case), 4 + case % 7, 1 + case % 4
    labels = np.array([lcg.draw(classes) for _ in range(n)])
    hits = [[lcg.draw(16) < threshold for _ in range(n)] for threshold in (12, 8)]
    return labels, np.array(hits).astype(float)


def permutations():
    for case in range(CASES):
        labels, hits = single_labels(case)
        n = len(labels)
        weights = 1 / np.bincount(labels)[labels] / len(set(labels))
        at = np.arange(n)

        def mean_of(weight):
            return lambda a, b: (hits[a, at] * weight).sum(-1) - (hits[b, at] * weight).sum(-1)

        yield enumerated(mean_of(1 / n), n) + enumerated(mean_of(weights), n)


def many_labels(case):
    """Truths 1, -1, 0 (difficult) and two classifiers' scores of 3 to 6 examples and 1 or 2 labels."""
    lcg, n, classes, levels = Lcg(11, case), 3 + case % 4, 1 + case // 4 % 2, LEVELS[case % 4]
    truth = np.array([lcg.draw(5) % 3 - 1 for _ in range(n * classes)]).reshape(n, classes)
    truth[0] = 1
    scores = np.array([lcg.draw(levels) for _ in range(2 * n * classes)]).reshape(2, n, classes) / levels - 0.5
    return truth, scores


def eleven_points(scores, truth):
    """Exact, as a fraction: the devkit's rule, ties in the order of the examples, difficult ones left out."""
    kept = [i for i in np.argsort(-scores, kind="stable") if truth[i] != 0]
    positives = sum(truth[i] > 0 for i in kept)
    if positives == 0:
        return None
    hits, points = 0, []
    for rank, i in enumerate(kept, 1):
        hits += truth[i] > 0
        points.append((Fraction(int(hits), int(positives)), Fraction(int(hits), rank)))
    return sum(max((p for r, p in points if r >= Fraction(t, 10)), default=Fraction(0)) for t in range(11)) / 11


def mean_average_precision(scores, truth):
    values = [eleven_points(scores[:, c], truth[:, c]) for c in range(truth.shape[1])]
    values = [v for v in values if v is not None]
    return sum(values) / len(values)


def label_permutations():
    for case in range(CASES):
        truth, scores = many_labels(case)
        n, classes = truth.shape
        right = ((scores > 0) == (truth > 0)) & (truth != 0)
        share = right / np.count_nonzero(truth)
        rows = np.arange(n)
        by_example = enumerated(lambda a, b: (share[a, rows] - share[b, rows]).sum((-1, -2)), n)
        cells = share.reshape(2, -1)
        by_cell = enumerated(lambda a, b: (cells[a, np.arange(n * classes)] - cells[b, np.arange(n * classes)]).sum(-1),
                             n * classes)

        def difference(a, b):
            flat = [mean_average_precision(scores[x, rows], truth) - mean_average_precision(scores[y, rows], truth)
                    for x, y in zip(a.reshape(-1, n), b.reshape(-1, n))]
            return np.array([float(d) for d in flat]).reshape(a.shape[:-1])

        yield by_example + by_cell + enumerated(difference, n)


def metrics():
    checked = 0
    for case in range(CASES):
        lcg, n, classes, levels = Lcg(12, case), 5 + case % 40, 2 + case % 8, LEVELS[case % 4]
        scores = np.array([lcg.draw(levels) for _ in range(n * classes)]).reshape(n, classes) / levels * 6
        labels = np.array([lcg.draw(classes) for _ in range(n)])
        # Equal scores rank by class, lowest first.
        order = np.argsort(-scores, axis=1, kind="stable")
        hits = [int((order[:, :k] == labels[:, None]).any(1).sum()) for k in (1, 2, 5)]
        if all(len(set(row)) == classes for row in scores) and classes > 2:
            for k, count in zip((1, 2, 5), hits):
                peer = sk.top_k_accuracy_score(labels, scores, k=k, normalize=False, labels=range(classes))
                assert peer == count, (case, k, peer, count)
                checked += 1
        guess = order[:, 0]
        table = sk.confusion_matrix(labels, guess, labels=range(classes))
        log_odds = special.logit((hits[0] + 0.5) / (n + 1))
        confidence = special.softmax(scores, axis=1).max(1)
        bins = np.digitize(confidence, np.arange(1, 10) / 10, right=True)
        gaps = [((bins == b).mean(), abs((guess == labels)[bins == b].mean() - confidence[bins == b].mean()))
                for b in set(bins)]
        yield [*hits, sk.balanced_accuracy_score(labels, guess), *table.ravel(), log_odds,
               sum(share * gap for share, gap in gaps), max(gap for _, gap in gaps)]
    print(f"  {checked} counts of sklearn.metrics.top_k_accuracy_score agree where no scores tie")


def average_precisions():
    for case in range(CASES):
        lcg, n, classes, levels = Lcg(13, case), 4 + case % 30, 1 + case % 5, LEVELS[case % 4]
        truth = np.array([lcg.draw(7) % 3 - 1 for _ in range(n * classes)]).reshape(n, classes)
        scores = np.array([lcg.draw(levels) for _ in range(n * classes)]).reshape(n, classes) / levels
        truth[0, 0] = 1
        row = []
        for c in range(classes):
            eleven, kept = eleven_points(scores[:, c], truth[:, c]), truth[:, c] != 0
            row += [np.nan, np.nan] if eleven is None else [
                float(eleven), sk.average_precision_score(truth[kept, c] > 0, scores[kept, c])]
        yield row + [float(mean_average_precision(scores, truth))]


def near_duplicates():
    for case in range(CASES):
        lcg, d, levels = Lcg(14, case), 1 + case % 19, LEVELS[case % 4]
        a, b = (np.array([lcg.draw(levels) for _ in range(m * d)]).reshape(m, d) / levels - 0.25
                for m in (3 + case % 9, 2 + case % 11))
        cosine = cosine_similarity(a, b)
        threshold = 0.4321
        found = np.argwhere((cosine >= threshold) & (np.abs(a).sum(1) > 0)[:, None] & (np.abs(b).sum(1) > 0))
        yield [len(found), *found.ravel(), *(cosine[i, j] for i, j in found)]


if __name__ == "__main__":
    write((permutations, label_permutations, metrics, average_precisions, near_duplicates),
          f"SciPy {scipy.__version__}, scikit-learn {sklearn.__version__}, NumPy {np.__version__}")
