#!/usr/bin/env python3
"""Our resizers beside TensorFlow's, Pillow's and OpenCV's on the first 20 photos of a folder, at three sizes.

    python3 tests/oracle/check_resizers.py PHOTOS [--program build/release/tests/oracle_resize]

Needs tensorflow, pillow, opencv-python-headless and numpy; the program is built by `./tv build release --target
oracle_resize`. Prints the largest and the mean difference in grey levels (0..255). Exit code 1 when one is above 1.
"""
import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

import peer_resizers  # noqa: E402

SIZES = [(224, 224), (299, 331), (97, 500)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos")
    parser.add_argument("--program", default="build/release/tests/oracle_resize")
    parser.add_argument("--count", type=int, default=20)
    arguments = parser.parse_args()
    photos = sorted(p for p in Path(arguments.photos).iterdir() if p.suffix.lower() in (".jpg", ".jpeg"))[: arguments.count]
    print(f"{peer_resizers.versions()}; {len(photos)} photos at {', '.join(f'{h} x {w}' for h, w in SIZES)}")
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for name, peers in peer_resizers.PEERS.items():
            largest = {peer: 0.0 for peer in peers}
            sums = {peer: [0.0, 0] for peer in peers}
            for photo in photos:
                image = np.asarray(Image.open(photo).convert("RGB"))
                Path(folder, "in").write_bytes(image.tobytes())
                for height, width in SIZES:
                    subprocess.run([arguments.program, name, f"{folder}/in", str(image.shape[0]), str(image.shape[1]),
                                    f"{folder}/out", str(height), str(width)], check=True)
                    ours = np.fromfile(f"{folder}/out", np.float32).reshape(height, width, 3)
                    for peer in peers:
                        if name == "tf1_area" and peer is peer_resizers.opencv and (
                                image.shape[0] <= height or image.shape[1] <= width):
                            continue  # OpenCV's area becomes another method where the image grows
                        difference = np.abs(ours - peer(name, image, height, width))
                        largest[peer] = max(largest[peer], float(difference.max()))
                        sums[peer][0] += float(difference.sum(dtype=np.float64))
                        sums[peer][1] += difference.size
            for peer in peers:
                mean = sums[peer][0] / max(1, sums[peer][1])
                note = "" if largest[peer] <= 1 else "  ABOVE 1"
                failed = failed or (largest[peer] > 1 and peer is not peer_resizers.opencv)
                print(f"{name:19s} {peer.__name__:11s} largest {largest[peer]:9.3g}  mean {mean:9.3g}{note}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
