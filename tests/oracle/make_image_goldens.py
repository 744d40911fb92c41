#!/usr/bin/env python3
"""Small images through TensorFlow's and Pillow's resizers.

    python3 tests/oracle/make_image_goldens.py      (tensorflow, pillow, opencv, numpy) writes tests/golden/images/resize.json

Images come from a formula that tests/data/resizers_test.cpp repeats. Pillow's values are bytes; TensorFlow's have 4 digits.
"""
import json
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np  # noqa: E402

import peer_resizers  # noqa: E402

SIZES = [(7, 9, 4, 5), (5, 6, 11, 13), (12, 5, 5, 9), (31, 40, 10, 14), (6, 6, 6, 6), (40, 8, 7, 8), (1, 1, 3, 2), (9, 30, 4, 29)]


def formula(height, width):
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    return ((37 * y + 61 * x + 101 * c + 13 * x * y + 7 * x * x * (c + 1)) % 256).astype(np.uint8)


def main():
    cases = []
    for name, peers in peer_resizers.PEERS.items():
        if name == "antialias_bilinear":
            continue
        for in_h, in_w, out_h, out_w in SIZES:
            values = peers[0](name, formula(in_h, in_w), out_h, out_w)
            digits = 0 if peers[0] is peer_resizers.pillow else 4
            numbers = [int(v) if digits == 0 else round(float(v), digits) for v in values.ravel()]
            cases.append({"resizer": name, "in": [in_h, in_w], "out": [out_h, out_w], "values": numbers})
    path = Path(__file__).parent.parent / "golden/images/resize.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(cases, separators=(",", ":")) + "\n")
    print(f"{path.name}: {len(cases)} cases, {peer_resizers.versions()}")


if __name__ == "__main__":
    main()
