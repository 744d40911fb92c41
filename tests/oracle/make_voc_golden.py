#!/usr/bin/env python3
"""Average precision by another route: fractions instead of counts, an explicit envelope, scikit-learn for all points.

    python3 tests/oracle/make_voc_golden.py      (numpy, scikit-learn) writes tests/golden/voc/average_precision.json
"""
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score


def eleven_points(scores, labels, difficult):
    """VOC 2007 with exact fractions: the ranking is sorted by (-score, place), recall thresholds are k/10 exactly."""
    rows = []
    for place, (score, label) in enumerate(zip(scores, labels)):
        if label == 0:
            if difficult == "ignored":
                continue
            label = 1 if difficult == "positive" else -1
        rows.append((-score, place, label))
    rows.sort()
    total = sum(1 for row in rows if row[2] == 1)
    if total == 0:
        return None
    curve, hits = [], 0
    for rank, row in enumerate(rows, 1):
        hits += row[2] == 1
        curve.append((Fraction(hits, total), Fraction(hits, rank)))
    points = []
    for k in range(11):
        reached = [precision for recall, precision in curve if recall >= Fraction(k, 10)]
        points.append(max(reached, default=Fraction(0)))
    return float(sum(points) / 11)


def main():
    random = np.random.default_rng(2007)
    cases = []
    for case in range(60):
        n = int(random.integers(1, 60))
        # Few distinct scores in every second case: ties.
        scores = random.integers(0, 6, n) / 4 if case % 2 else random.normal(size=n).round(6)
        labels = random.choice([-1, 0, 1], n, p=[0.6, 0.15, 0.25])
        if case == 0:
            labels = -np.ones(n, int)
        entry = {"scores": [float(s) for s in scores], "labels": [int(x) for x in labels]}
        for difficult in ("ignored", "negative", "positive"):
            entry[difficult] = eleven_points(entry["scores"], entry["labels"], difficult)
            keep = labels != 0 if difficult == "ignored" else np.ones(n, bool)
            truth = (labels == 1) | ((labels == 0) & (difficult == "positive"))
            some = keep.any() and truth[keep].any()
            entry[difficult + "_all"] = float(average_precision_score(truth[keep], np.asarray(scores)[keep])) if some else None
        cases.append(entry)
    path = Path(__file__).parent.parent / "golden/voc/average_precision.json"
    path.write_text(json.dumps(cases, separators=(",", ":")) + "\n")
    print(f"{path}: {len(cases)} rankings")


if __name__ == "__main__":
    main()
