#!/usr/bin/env python3
"""Writes tests/golden/stats: statistics computed by SciPy, statsmodels and NumPy on 200 random inputs each. Those of
examples (permutations, metrics, near duplicates) are make_stats_examples_golden.py's.

    pip install numpy scipy statsmodels
    python3 tests/oracle/make_stats_tests_golden.py tests/golden/stats [FAMILY...]

Inputs are not stored: both this script and tests/stats/golden_test.cpp make them from the generator `Lcg` below, in
integers, so that they are the same numbers bit for bit. A line of a golden file is one input's results.
"""

import itertools
import pathlib
import sys
import warnings
from collections import Counter
from fractions import Fraction

import numpy as np
import scipy
import statsmodels
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

CASES = 200
LEVELS = [1 << 20, 16, 4, 1 << 20]  # 16 and 4 levels make ties and zeros


class Lcg:
    def __init__(self, family, case):
        self.state = family * 1000 + case
        for _ in range(4):
            self.draw(1)

    def draw(self, levels):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return ((self.state >> 40) * levels) >> 24


def regression_pair(case):
    """Two columns with slopes -2 to 2."""
    lcg, n, levels, slope = Lcg(1, case), 4 + case % 37, LEVELS[case % 4], case // 4 % 5 - 2
    x = [lcg.draw(levels) for _ in range(n)]
    y = [slope * v + lcg.draw(levels) for v in x]
    for column in (x, y):
        if len(set(column)) == 1:
            column[0] += levels
    return np.array(x) / levels, np.array(y) / levels


def matched_pair(case):
    """Two columns of like values whose differences tie and vanish where there are few levels."""
    lcg, n, levels = Lcg(2, case), 4 + case % 47, LEVELS[case % 4]
    x = [lcg.draw(levels) for _ in range(n)]
    y = [lcg.draw(levels) + (case // 4 % 3) * (levels // 4) for _ in range(n)]
    if len({a - b for a, b in zip(x, y)}) == 1:
        x[0] += levels
    return np.array(x) / levels, np.array(y) / levels


def four_columns(case):
    """Columns j, k, h, m with a common part."""
    lcg, n = Lcg(3, case), 6 + case % 45
    levels = 16 if case % 4 == 1 else 1 << 20
    common = [lcg.draw(levels) for _ in range(n)]
    weights = [case % 3, case // 3 % 3, case // 9 % 3 - 1, case // 27 % 3 - 1]
    columns = [np.array([w * c + lcg.draw(levels) for c in common]) / levels for w in weights]
    for column in columns:
        if len(set(column)) == 1:
            column[0] += 1
    return columns


def pairs():
    for case in range(CASES):
        x, y = regression_pair(case)
        pearson, spearman, line = stats.pearsonr(x, y), stats.spearmanr(x, y), stats.linregress(x, y)
        interval = pearson.confidence_interval(0.95)
        ranks = stats.pearsonr(stats.rankdata(x), stats.rankdata(y)).confidence_interval(0.95)
        u, v = [Fraction(float(a)) for a in x], [Fraction(float(a)) for a in y]  # exact: a perfect line leaves 0
        xx, xy, yy = (sum(a * b for a, b in zip(*pair)) - sum(pair[0]) * sum(pair[1]) / len(u)
                      for pair in ((u, u), (u, v), (v, v)))
        yield [pearson.statistic, pearson.pvalue, interval.low, interval.high, spearman.statistic, spearman.pvalue,
               ranks.low, ranks.high, line.slope, line.intercept, line.stderr, line.pvalue,
               np.sqrt(float((yy - xy * xy / xx) / (len(u) - 2)))]


def signed_rank_exact(d, pratt):
    """W+, W-, two-sided, less, greater: exact integers over all 2^n signs of the ranks that occurred."""
    kept = d if pratt else d[d != 0]
    ranks = np.rint(2 * stats.rankdata(np.abs(kept))).astype(int)
    nonzero = [int(r) for r in ranks[kept != 0]]
    positive = int(ranks[kept > 0].sum())
    counts = Counter({0: 1})
    for rank in nonzero:
        longer = Counter(counts)
        for total, ways in counts.items():
            longer[total + rank] += ways
        counts = longer
    outcomes = 2 ** len(nonzero)
    less = sum(ways for total, ways in counts.items() if total <= positive) / outcomes
    greater = sum(ways for total, ways in counts.items() if total >= positive) / outcomes
    return [positive / 2, (sum(nonzero) - positive) / 2, min(1.0, 2 * min(less, greater)), less, greater]


def matched():
    checked = 0
    for case in range(CASES):
        x, y = matched_pair(case)
        d = x - y
        row = []
        for alternative in ("two-sided", "less", "greater"):
            test = stats.ttest_rel(x, y, alternative=alternative)
            row += [test.statistic, test.pvalue] if alternative == "two-sided" else [test.pvalue]
        interval = stats.ttest_rel(x, y).confidence_interval(0.95)
        row += [interval.low, interval.high]
        for method in ("wilcox", "pratt"):
            exact = signed_rank_exact(d, method == "pratt")
            row += exact
            # SciPy agrees wherever it is exact: without ties and zeros, or by all sign flips of a small sample.
            clean = len(set(np.abs(d))) == len(d) and 0 not in d
            if clean or len(d) <= 13:
                chosen = "exact" if clean else stats.PermutationMethod(n_resamples=2**13)
                for value, alternative in zip(exact[2:], ("two-sided", "less", "greater")):
                    p = stats.wilcoxon(x, y, zero_method=method, alternative=alternative, method=chosen).pvalue
                    assert np.isclose(p, value, rtol=1e-10, atol=0), (case, method, alternative, p, value)
                    checked += 1
            for alternative, correction in itertools.product(("two-sided", "less", "greater"), (False, True)):
                test = stats.wilcoxon(x, y, zero_method=method, correction=correction, alternative=alternative,
                                      method="asymptotic")
                row.append(test.pvalue)
        yield row
    print(f"  {checked} exact p-values of scipy.stats.wilcoxon agree with the enumeration")


def dependent():
    for case in range(CASES):
        columns = four_columns(case)
        n = len(columns[0])
        r = np.corrcoef(columns)

        def covariance(a, b, c, d, r):
            """n times the asymptotic covariance of r_ab and r_cd; indices may repeat (Olkin and Siotani 1976)."""
            return (r[a, b] * r[c, d] * (r[a, c]**2 + r[a, d]**2 + r[b, c]**2 + r[b, d]**2) / 2 + r[a, c] * r[b, d] +
                    r[a, d] * r[b, c] - r[a, b] * (r[a, c] * r[a, d] + r[b, c] * r[b, d]) - r[c, d] *
                    (r[a, c] * r[b, c] + r[a, d] * r[b, d]))

        def z_test(first, second, r_used):
            """Fisher z of correlations `first` and `second` (index pairs), covariance from the matrix `r_used`."""
            error = np.sqrt((2 - 2 * covariance(*first, *second, r_used) / (1 - r_used[first]**2) /
                             (1 - r_used[second]**2)) / (n - 3))
            return (np.arctanh(r[first]) - np.arctanh(r[second])) / error

        def averaged(first, second):
            pooled = r.copy()
            for pair in (first, second, first[::-1], second[::-1]):
                pooled[pair] = (r[first] + r[second]) / 2
            return pooled

        j, k, h, m = range(4)
        jk, jh, hm = (j, k), (j, h), (h, m)
        # Meng, Rosenthal and Rubin through the general form: mean of squares, f capped at 1.
        q = np.mean([r[jk]**2, r[jh]**2])
        f = np.clip((1 - r[k, h]) / (2 - 2 * q), None, 1)
        spread = np.sqrt(2 * (1 - r[k, h]) * (1 - f * q) / (1 - q) / (n - 3))
        gap = np.arctanh(r[jk]) - np.arctanh(r[jh])
        quantile = stats.norm.ppf(0.975)
        row = [gap / spread, 2 * stats.norm.sf(abs(gap / spread)), stats.norm.sf(gap / spread), gap - quantile * spread,
               gap + quantile * spread]
        determinant = np.linalg.det(r[:3, :3])
        hotelling = (r[jk] - r[jh]) * np.sqrt((n - 3) * (1 + r[k, h]) / 2 / determinant)
        williams = (r[jk] - r[jh]) / np.sqrt(
            (2 * determinant / (n - 3) + ((r[jk] + r[jh]) / 2)**2 * (1 - r[k, h])**3 / (n - 1)) / (1 + r[k, h]))
        for t in (hotelling, williams):
            row += [t, 2 * stats.t.sf(abs(t), n - 3), stats.t.sf(t, n - 3)]
        filon = (r[jk] - r[hm]) / np.sqrt(((1 - r[jk]**2)**2 + (1 - r[hm]**2)**2 - 2 * covariance(*jk, *hm, r)) / n)
        # Pearson and Filon's test on Fisher's z: their variance by the delta method, d atanh r = dr / (1 - r^2).
        spread = (2 - 2 * covariance(*jk, *hm, r) / (1 - r[jk]**2) / (1 - r[hm]**2)) / (n - 3)
        raghunathan = (np.arctanh(r[jk]) - np.arctanh(r[hm])) / np.sqrt(spread)
        for z in (z_test(jk, jh, r), z_test(jk, jh, averaged(jk, jh)), filon, z_test(jk, hm, r),
                  z_test(jk, hm, averaged(jk, hm)), raghunathan):
            row += [z, 2 * stats.norm.sf(abs(z)), stats.norm.sf(z)]
        yield row


def adjusted():
    for case in range(CASES):
        lcg, m, levels = Lcg(4, case), 1 + case % 12, LEVELS[case % 4]
        p = np.array([lcg.draw(levels) / levels for _ in range(m)])
        p **= 1 + 2 * (case // 4 % 2)  # a whole power: the same products in both languages
        yield [*multipletests(p, method="holm")[1], *multipletests(p, method="fdr_bh")[1]]


def binomial():
    for case in range(CASES):
        lcg = Lcg(5, case)
        n = 1 + lcg.draw([20, 300, 5000, 50000][case % 4])
        k = lcg.draw(n + 1) if case % 3 else [0, n][case // 3 % 2]
        p = [0.5, 0.125, 0.375, 0.75][case // 4 % 4]
        if case % 5 == 0:
            k = round(n * p)
        row = []
        for alternative in ("two-sided", "less", "greater"):
            row.append(stats.binomtest(k, n, p, alternative=alternative).pvalue)
        x, at_k = stats.binom(n, p), stats.binom.pmf(k, n, p)
        row += [min(1.0, 2 * min(x.cdf(k), x.sf(k - 1)) - at_k), x.cdf(k) - at_k / 2, x.sf(k - 1) - at_k / 2]
        row += [mcnemar([[0, k], [n - k, 0]], exact=True).pvalue]
        half, fewer = stats.binom(n, 0.5), min(k, n - k)
        row += [1 if 2 * k == n else 2 * half.cdf(fewer) - half.pmf(fewer)]
        low, high = proportion_confint(k, n, alpha=0.05, method="wilson")
        row += [0 if k == 0 else low, 1 if k == n else high]  # the ends that statsmodels leaves at rounding errors
        exact = stats.binomtest(k, n).proportion_ci(0.95, method="exact")
        yield row + [exact.low, exact.high]


def within_subject():
    for case in range(CASES):
        lcg, rows, columns = Lcg(6, case), 2 + case % 5, 2 + case // 5 % 11
        x = np.array([[lcg.draw(LEVELS[case % 4]) for _ in range(columns)] for _ in range(rows)]) / LEVELS[case % 4]
        adjusted_x = x - x.mean(axis=0, keepdims=True)
        error = stats.sem(adjusted_x, axis=1, ddof=1) * np.sqrt(rows / (rows - 1))
        yield [*x.mean(axis=1), *error, *(error * stats.t.ppf(0.975, columns - 1))]


def speed():
    for case in range(CASES):
        lcg, n = Lcg(7, case), 3 + case % 12
        times = np.cumsum([1 + lcg.draw(1000) for _ in range(n)]).astype(float)
        levels = LEVELS[case % 4]
        accuracies = np.array([(2 * lcg.draw(levels) + 1) / (2 * levels) for _ in range(n)])
        log_odds = scipy.special.logit(accuracies)
        threshold = np.log(0.9 * np.exp(log_odds.max()))
        first = int(np.argmax(log_odds >= threshold))
        crossing = times[0] if first == 0 else np.exp(
            np.interp(threshold, log_odds[first - 1:first + 1], np.log(times[first - 1:first + 1])))
        half = np.array([(2 * lcg.draw(256) + 1) / 256 - 1 for _ in range(n)])  # correlations, never -1 or 1
        line = stats.linregress(np.log10(times), np.arctanh(half))
        quartiles = np.percentile(times, [25, 75])
        yield [times[first], crossing, scipy.special.expit(threshold), *log_odds, scipy.special.expit(times[0] / 500),
               scipy.special.expit(-times[0] / 100), stats.gmean(times), stats.gmean(times / accuracies), *quartiles,
               line.slope, line.intercept, line.rvalue, line.pvalue]


def philox(counter, key):
    mask = 0xFFFFFFFF
    for _ in range(10):
        p0, p1 = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [p1 >> 32 ^ counter[1] ^ key[0], p1 & mask, p0 >> 32 ^ counter[3] ^ key[1], p0 & mask]
        key = [key[0] + 0x9E3779B9 & mask, key[1] + 0xBB67AE85 & mask]
    return counter


def bands():
    for case in range(CASES):
        x, y = regression_pair(case)
        n, values, grid = len(x), [], np.array([-0.5, 0, 0.5, 1])
        for resample in range(150):
            attempt = 0
            while True:
                words = [philox([attempt * n + i, 0, resample, 0], [case, 10 << 24]) for i in range(n)]
                drawn = [((w[1] << 32 | w[0]) * n) >> 64 for w in words]
                if len(set(x[drawn])) > 1:
                    break
                attempt += 1
            line = stats.linregress(x[drawn], y[drawn])
            values.append(line.intercept + line.slope * grid)
        yield np.percentile(values, [2.5, 97.5], axis=0).T.ravel()


def write(families, versions):
    """Writes the families named on the command line, all without names; `versions` are those of who computed them."""
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    script = pathlib.Path(sys.argv[0]).name
    for family in families if len(sys.argv) == 2 else [f for f in families if f.__name__ in sys.argv[2:]]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            lines = ["\t".join(f"{float(v):.15g}" for v in row) for row in family()]
        path = folder / f"{family.__name__}.tsv"
        path.write_text(f"# {script}: {versions}\n" + "\n".join(lines) + "\n")
        print(f"{path}: {len(lines)} inputs, {path.stat().st_size} bytes")


if __name__ == "__main__":
    write((pairs, matched, dependent, adjusted, binomial, within_subject, speed, bands),
          f"SciPy {scipy.__version__}, statsmodels {statsmodels.__version__}, NumPy {np.__version__}")
