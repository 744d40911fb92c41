"""The driver behind `./tv bench data`: photos to 224 px beside torchvision with Pillow, interleaved, on one thread.

First both make the same crops of the same files, and their pixels are compared (at most one grey level apart); then each
round asks every program for the time of N images in turn, and medians are compared. Writes data_bench.csv.
"""
import argparse
import csv
import os
import pathlib
import statistics
import sys
import tempfile

import numpy as np
import PIL
import torchvision

from cpu_bench import HERE, ROOT, Program, environment, machine


def compare_pixels(ours, peer, count, folder):
    largest, total, size = 0, 0.0, 0
    for i in range(count):
        for program, name in ((ours, "a"), (peer, "b")):
            if program.ask(f"pixels {i} {folder}/{name}") != "written":
                raise SystemExit(f"crop {i}: no pixels")
        a, b = (np.fromfile(f"{folder}/{name}", np.uint8).astype(int) for name in "ab")
        largest = max(largest, int(np.abs(a - b).max()))
        total, size = total + np.abs(a - b).sum(), size + a.size
    if largest > 1:
        raise SystemExit(f"the pixels differ by up to {largest} grey levels: nothing was timed")
    return largest, total / size


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=pathlib.Path, default=ROOT.parent / "shared/data/photos")
    parser.add_argument("--limit", type=int, default=200, help="files to use")
    parser.add_argument("--count", type=int, default=400, help="images a measurement")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--ours", default=str(ROOT / "build/release/bench/tv_bench_data"))
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("data_bench.csv"))
    options = parser.parse_args()
    if not options.photos.is_dir():
        raise SystemExit(f"{options.photos} is no folder of photos: name one with --photos")
    env = environment(1, False)
    with tempfile.TemporaryDirectory() as folder:
        ours = Program([options.ours, "--photos", str(options.photos), "--limit", str(options.limit), "--cache", folder,
                        "--serve"], env)
        peer = Program([options.python, str(HERE / "torchvision_data.py"), str(options.photos), "--serve"], env)
        pathlib.Path(folder, "boxes").write_text(ours.ask(f"boxes {options.count}"))
        peer.ask(f"boxes {folder}/boxes")
        largest, mean = compare_pixels(ours, peer, min(100, options.count), folder)
        print(f"pixels of {min(100, options.count)} crops: largest difference {largest}, mean {mean:.4f}")
        times = {"decode": [], "crops": [], "cache": [], "peer": []}
        asks = [("decode", ours, "decode"), ("crops", ours, "crops"), ("cache", ours, "cache"), ("peer", peer, "crops")]
        for name, program, verb in asks:  # warm
            program.ask(f"{verb} {options.count}")
        for round_number in range(options.rounds):
            for name, program, verb in asks if round_number % 2 == 0 else reversed(asks):
                times[name].append(float(program.ask(f"{verb} {options.count}")))
        memory = [float(v) for v in ours.ask(f"memory {options.epochs}").split()]
        ours.close(), peer.close()
    rate = {name: options.count / statistics.median(values) for name, values in times.items()}
    info = machine(options.python)
    info.update(torchvision=torchvision.__version__, pillow=PIL.__version__, photos=len(list(options.photos.iterdir())))
    rows = [("bare libjpeg-turbo decode", rate["decode"], ""),
            ("decode + random-resized crop + flip", rate["crops"], f"{rate['crops'] / rate['decode']:.3f} of the bare decode"),
            ("the same by torchvision with Pillow", rate["peer"], f"ours is {rate['crops'] / rate['peer']:.2f} times as fast"),
            ("from the cache of decoded images", rate["cache"], "")]
    with open(options.out, "w", newline="") as file:
        for key, value in info.items():
            file.write(f"# {key}: {value}\n")
        file.write(f"# pixels: largest difference {largest}, mean {mean:.4f} over {min(100, options.count)} crops\n")
        file.write(f"# resident MiB after epochs 1 to {options.epochs}: {' '.join(f'{m:.1f}' for m in memory)}\n")
        writer = csv.writer(file)
        writer.writerow(["measurement", "images/s/core", "ratio"])
        for name, value, ratio in rows:
            writer.writerow([name, f"{value:.1f}", ratio])
            print(f"{name:40s} {value:9.1f} images/s  {ratio}")
    print("resident MiB after each epoch:", " ".join(f"{m:.1f}" for m in memory))
    print(f"load average {' '.join(f'{load:.2f}' for load in os.getloadavg())}; wrote {options.out}")


if __name__ == "__main__":
    main()
