"""Regenerates tests/golden/trace/*.json: inputs by make_inputs.py, traces by train_trace.py, fingerprints of these.

The step sizes are small and the maps not tiny on purpose: with batch normalisation over few values a training step
multiplies rounding errors by 50 or more, and after five such steps two correct programs differ by more than 1e-9.
`--sensitivity` measures this: it repeats the trace from weights moved by one unit in the last place and reports the
largest deviation, as a fraction of the tolerance 1e-9.
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np
from safetensors.numpy import load_file, save_file

HERE = pathlib.Path(__file__).resolve().parent
TRAIN = dict(mode="train", steps=5, classes=10, width=1.0, layout="paper", momentum=0.9, weight_decay=8e-5,
             bn_decay=0.9, ema=0.9999, label_smoothing=0.0, decay_set="all", lr=0.002,
             batch_size=8, height=65, image_width=79, seed=0)
EVAL = dict(TRAIN, mode="eval", steps=1, batch_size=2)
# Networks of many layers: a few steps, and not every number of them.
BRIEF = dict(TRAIN, steps=3, decay_set="slim", lr=2e-4, batch_size=4, brief=True)
GOLDENS = {
    "mobilenet_v1": dict(TRAIN, network="mobilenet_v1", decay_set="conv_fc"),
    "mobilenet_v2": dict(TRAIN, network="mobilenet_v2", decay_set="slim", label_smoothing=0.1, ema=0.99),
    "resnet50_v1": dict(TRAIN, network="resnet50_v1", lr=5e-5, batch_size=4),
    "inception_v1": dict(BRIEF, network="inception_v1"),
    "bn_inception": dict(BRIEF, network="bn_inception"),
    "inception_v3": dict(BRIEF, network="inception_v3", batch_size=8, label_smoothing=0.1, height=155, image_width=155,
                         auxiliary_head=True, image_size=155),
    **{name: dict(BRIEF, network=name, batch_size=8, lr=lr, height=123, image_width=123, auxiliary_head=True,
                  image_size=123)
       for name, lr in (("inception_v4", 1e-7), ("inception_resnet_v2", 1e-6))},
    "densenet121": dict(BRIEF, network="densenet121", height=97, image_width=97),
    "densenet169": dict(BRIEF, network="densenet169", height=97, image_width=97, batch_size=2),
    "densenet201": dict(BRIEF, network="densenet201", height=97, image_width=97, batch_size=2),
    "resnet101_v1": dict(BRIEF, network="resnet101_v1", decay_set="all", lr=5e-6),
    "resnet152_v1": dict(BRIEF, network="resnet152_v1", decay_set="all", lr=1e-7),
    "mobilenet_v2_140": dict(BRIEF, network="mobilenet_v2_140"),
    "nasnet_a_mobile": dict(BRIEF, network="nasnet_a_mobile", height=97, image_width=97),
    "nasnet_a_large": dict(BRIEF, network="nasnet_a_large", height=97, image_width=97, batch_size=2),
    "inception_v3_025.inception": dict(BRIEF, network="inception_v3", width=0.25, batch_size=8, lr=1e-7, height=123,
                                       image_width=123, auxiliary_head=True, image_size=123, bn_scale="off",
                                       label_smoothing=0.1, dropout_keep=0.8),
    "nasnet_a_mobile.drop_path": dict(BRIEF, network="nasnet_a_mobile", lr=1e-6, height=97, image_width=97,
                                      auxiliary_head=True, image_size=97, label_smoothing=0.1, dropout_keep=0.5,
                                      drop_path_keep=0.7, first_step=250000),
    **{f"{name}.eval": dict(EVAL, network=name)
       for name in ("densenet121", "densenet169", "densenet201", "inception_v1", "bn_inception")},
    **{f"{name}.eval": dict(EVAL, network=name, height=97, image_width=97, auxiliary_head=True, image_size=97)
       for name in ("nasnet_a_mobile", "nasnet_a_large")},
    **{f"{name}.eval": dict(EVAL, network=name, height=123, image_width=123, auxiliary_head=True, image_size=123)
       for name in ("inception_v3", "inception_v4", "inception_resnet_v2")},
    "bn_inception_025.eval": dict(EVAL, network="bn_inception", width=0.25),
    "inception_v3_025.eval": dict(EVAL, network="inception_v3", width=0.25, height=123, image_width=123,
                                  auxiliary_head=True, image_size=123),
    "mobilenet_v1_025.eval": dict(EVAL, network="mobilenet_v1", width=0.25),
    "mobilenet_v2_140.eval": dict(EVAL, network="mobilenet_v2_140"),
    "resnet50_v1.public.eval": dict(EVAL, network="resnet50_v1", layout="public"),
    "resnet101_v1.eval": dict(EVAL, network="resnet101_v1"),
    "resnet152_v1.eval": dict(EVAL, network="resnet152_v1"),
}
INPUT_ONLY = ("batch_size", "height", "image_width", "seed")
TRACE_ONLY = ("mode", "steps", "lr", "momentum", "weight_decay", "decay_set", "bn_decay", "ema", "label_smoothing",
              "dropout_keep", "drop_path_keep", "first_step")


def flags(settings, leave_out):
    kept = {key.replace("_", "-"): value for key, value in settings.items() if key not in (*leave_out, "brief")}
    return [f"--{key}" if value is True else f"--{key}={value}" for key, value in kept.items()]


def run(script, *arguments):
    subprocess.run([sys.executable, str(HERE / script), *map(str, arguments)], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"which (default all): {', '.join(GOLDENS)}")
    parser.add_argument("--out", type=pathlib.Path, default=HERE.parent / "golden" / "trace")
    parser.add_argument("--scratch", type=pathlib.Path, help="keep traces here (default: a temporary folder)")
    parser.add_argument("--spec", help="folder of the tables")
    parser.add_argument("--sensitivity", action="store_true")
    options = parser.parse_args()
    spec = ["--spec", options.spec] if options.spec else []
    scratch = options.scratch or pathlib.Path(tempfile.mkdtemp())
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.names or GOLDENS:
        settings = GOLDENS[name]
        folder = scratch / name
        folder.mkdir(parents=True, exist_ok=True)
        weights, batch, trace = folder / "w.safetensors", folder / "b.safetensors", folder / "trace"
        run("make_inputs.py", *flags(settings, TRACE_ONLY), *spec, "--weights", weights, "--batch", batch)
        common = [*flags(settings, INPUT_ONLY), *spec, "--batch", batch]
        run("train_trace.py", *common, "--weights", weights, "--dump", trace)
        golden = options.out / f"{name}.json"
        run("fingerprint.py", trace, "--out", golden, "--settings", json.dumps(settings),
            *(["--brief"] if settings.get("brief") else []))
        if options.sensitivity:
            rng = np.random.default_rng(1)
            moved = {k: v * (1 + 2.0**-52 * rng.choice([-1.0, 1.0], v.shape)) for k, v in load_file(weights).items()}
            save_file(moved, folder / "moved.safetensors")
            run("train_trace.py", *common, "--weights", folder / "moved.safetensors", "--dump", folder / "moved")
            run("fingerprint.py", folder / "moved", "--check", golden)
        if not options.scratch:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
