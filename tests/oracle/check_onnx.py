"""Every network as an ONNX model: what ONNX Runtime computes against what we do.

    cmake --build build/release --target oracle_exchange
    python tests/oracle/check_onnx.py [NETWORK ...] [--program build/release/tests/oracle_exchange]

Random weights and statistics, batch 3, an image size that makes SAME padding uneven. Prints for each network the largest
difference of logits and features, relative to the largest value. Needs onnx, onnxruntime, numpy and safetensors.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from safetensors.numpy import load_file, save_file

NETWORKS = ["inception_v1", "bn_inception", "inception_v3", "inception_v4", "inception_resnet_v2", "resnet50_v1",
            "resnet101_v1", "resnet152_v1", "densenet121", "densenet169", "densenet201", "mobilenet_v1", "mobilenet_v2",
            "mobilenet_v2_140", "nasnet_a_mobile", "nasnet_a_large"]
TOLERANCE = 1e-5

parser = argparse.ArgumentParser()
parser.add_argument("networks", nargs="*", default=NETWORKS)
parser.add_argument("--program", default="build/release/tests/oracle_exchange")
parser.add_argument("--size", default="129x160", help="height x width of the images")
options = parser.parse_args()
height, width = map(int, options.size.split("x"))

failed = []
print(f"{'network':20} {'nodes':>6} {'opset':>6} {'logits':>9} {'feature':>9}")
for name in options.networks:
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        images = np.random.default_rng(1).normal(size=(3, height, width, 3)).astype(np.float32)
        save_file({"images": images}, folder / "in.safetensors")
        subprocess.run([options.program, "onnx", name, str(height), str(width), folder / "m.onnx",
                        folder / "in.safetensors", folder / "out.safetensors"], check=True)
        model = onnx.load(folder / "m.onnx")
        onnx.checker.check_model(model, full_check=True)
        session_options = onnxruntime.SessionOptions()
        session_options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(folder / "m.onnx", session_options, providers=["CPUExecutionProvider"])
        got = dict(zip(["logits", "feature"], session.run(["logits", "feature"], {"images": images})))
        ours = load_file(folder / "out.safetensors")
        worst = {k: np.abs(got[k] - ours[k]).max() / np.abs(ours[k]).max() for k in got}
        print(f"{name:20} {len(model.graph.node):6} {model.opset_import[0].version:6} {worst['logits']:9.1e} "
              f"{worst['feature']:9.1e}", flush=True)
        if not all(w < TOLERANCE for w in worst.values()):
            failed.append(name)
sys.exit(f"differ: {failed}" if failed else 0)
