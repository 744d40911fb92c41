"""Holds the five regulariser presets of `tv_audit trace --preset` to the independent PyTorch interpreter over a few hundred
training steps in f64, tolerance 1e-9 (compare.py says of what): the loss of every step, and activations, gradients, weights
and averages of every 50th.

    check_presets.py [--audit PROGRAM] [--networks NAME...] [--presets NAME...] [--steps N] [--work DIR]

Inception v3 at a quarter of its width has four of the five regularisers. Drop path is NASNet-A's: it runs for fewer steps, and
as if step 250000 had come, where the schedule of dropped paths has ended. What a preset is made of stands here a second time,
from the paper's Figure 3.

A network that has learnt nothing multiplies a difference in rounding by 25 at each step, so that after six steps two right
programs share no digit. Each preset is therefore trained first, by tv_audit in f32 on other images; both programs start from
these weights and train on images with labels that they have not seen.
"""
import argparse
import pathlib
import shutil
import subprocess
import sys
import time

import numpy as np
from safetensors.numpy import load_file, save_file

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
#          gamma  smoothing dropout auxiliary head
PRESETS = {"inception": ("off", 0.1, True, True),
           "bn_scale": ("on", 0.1, True, True),
           "no_label_smoothing": ("on", 0.0, True, True),
           "no_dropout": ("on", 0.0, False, True),
           "paper": ("on", 0.0, False, False)}
NETWORKS = {
    "inception_v3": dict(width=0.25, dropout=0.8, path=1.0, side=107, warm=200, steps=300, first=0, lr="0.001"),
    "nasnet_a_mobile": dict(width=1.0, dropout=0.5, path=0.7, side=97, warm=100, steps=200, first=250000, lr="0.0003"),
}
SETTINGS = ["--classes", "10", "--momentum", "0.9", "--weight-decay", "8e-5", "--decay-set", "conv_fc", "--bn-decay", "0.99",
            "--ema", "0.999", "--seed", "7"]


def run(command, log):
    with open(log, "w") as file:
        subprocess.run([str(c) for c in command], stdout=file, stderr=subprocess.STDOUT, check=True)


def losses(folder):
    return [float(line.split(",")[1]) for line in (folder / "trace.csv").read_text().split()[1:]]


def check(network, preset, steps, options, folder):
    """Runs one preset; returns the line of the summary. Raises CalledProcessError where something fails or disagrees."""
    n = NETWORKS[network]
    gamma, smoothing, drops, auxiliary = PRESETS[preset]
    batches = folder / "first.safetensors", folder / "second.safetensors"
    for seed, batch in enumerate(batches):
        run([sys.executable, HERE / "make_inputs.py", "--network", network, "--classes", "10", "--batch-size",
             options.batch_size * options.batches, "--height", n["side"], "--image-width", n["side"], "--images", "smooth",
             "--seed", seed, "--batch", batch], folder / "inputs.log")
    shape = ["--network", network, "--width", n["width"], "--image-size", n["side"], *SETTINGS, "--batch-size",
             options.batch_size]
    path = ["--drop-path-keep", n["path"]] if drops and n["path"] < 1 else []  # TF-Slim's small NASNet drops none
    ours = [options.audit, "trace", *shape, "--preset", preset, *path]
    run([*ours, "--dtype", "f32", "--weights", "random", "--batch", batches[0], "--lr", "0.02", "--steps", n["warm"],
         "--dump-every", n["warm"], "--dump", folder / "warm"], folder / "warm.log")
    last = load_file(folder / "warm" / f"step_{n['warm'] - 1:03d}.safetensors")
    weights = folder / "w.safetensors"
    save_file({k.removeprefix("weight/"): v.astype(np.float64) for k, v in last.items() if k.startswith("weight/")},
              weights)
    same = ["--dtype", "f64", "--weights", weights, "--batch", batches[1], "--steps", steps, "--first-step", n["first"],
            "--dump-every", min(steps, 50), "--lr", options.lr or n["lr"]]
    run([*ours, *same, "--fused", "off", "--dump", folder / "ours"], folder / "ours.log")
    run([sys.executable, HERE / "train_trace.py", *shape, *same, "--bn-scale", gamma, "--label-smoothing", smoothing,
         "--dropout-keep", n["dropout"] if drops else 1, "--drop-path-keep", n["path"] if drops else 1,
         *(["--auxiliary-head"] if auxiliary else []), "--dump", folder / "reference"], folder / "reference.log")
    report = folder / "compare.log"
    run([sys.executable, HERE / "compare.py", folder / "ours", folder / "reference", "--tol", "1e-9"], report)
    there = losses(folder / "reference")
    return f"loss {there[0]:.4f} -> {there[-1]:.4f}  {report.read_text().splitlines()[-1]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audit", default=ROOT / "build/release/apps/tv_audit")
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--presets", nargs="*", default=list(PRESETS), choices=list(PRESETS))
    parser.add_argument("--steps", type=int, help="instead of the network's own number")
    parser.add_argument("--lr", help="instead of the network's own learning rate")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--batches", type=int, default=4, help="different batches, taken in turn")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build/oracle-presets")
    options = parser.parse_args()
    agree = True
    for network in options.networks:
        steps = options.steps or NETWORKS[network]["steps"]
        for preset in options.presets:
            folder = options.work / f"{network}-{preset}"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            began = time.time()
            try:
                outcome = check(network, preset, steps, options, folder)
            except subprocess.CalledProcessError:
                agree = False
                outcome = "DISAGREE or failed: see " + str(folder)
            print(f"{network:16} {preset:20} {steps:4d} steps  {outcome}  ({time.time() - began:.0f} s)", flush=True)
            if agree:
                for part in ("warm", "ours", "reference"):
                    shutil.rmtree(folder / part, ignore_errors=True)
    sys.exit(0 if agree else 1)


if __name__ == "__main__":
    main()
