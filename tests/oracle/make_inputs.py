"""Weights and a batch made from a formula that any language repeats exactly in f64.

    splitmix64(x): z = x + 0x9E3779B97F4A7C15; z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
                   z = (z ^ z >> 27) * 0x94D049BB133111EB; z ^ z >> 31            (all modulo 2^64)
    u(t, i) = (splitmix64(((t + seed * 2^17) << 40) + i) >> 11) * 2^-53            in [0, 1)

t is the variable's 0-based row in `<network>.tsv`, counted without the rows of an auxiliary head that is left out, i the
flat index in the stored layout. Values: convolution, depthwise and fully connected weights (2u - 1) * sqrt(6 / fan_in), fan_in = kh*kw*cin, kh*kw, in;
gamma 0.5 + u; beta, biases and moving mean (2u - 1) * 0.1; moving variance 0.5 + u; images (t = 100000) 2u - 1;
labels (t = 100001) floor(u * classes). f32 files hold these values rounded once.

`--images smooth`: images that look like something, for training that is to learn. Image n has, with r = 2u - 1 of
t = 200000 + n taken in turn, in each channel 0.4 r plus four waves 0.25 r3 sin(2 pi (fx x + fy y) + 3 r4), fx = 1 + 3 |r1|,
fy = 1 + 3 |r2|, x and y from 0 to 1. These use the sine of the library at hand, so they go from one program to the other as
a file.
"""
import argparse
import math

import numpy as np
from safetensors.numpy import save_file

from ops_interpreter import add_network_options, network_of

IMAGES, LABELS = 100000, 100001


def splitmix64(x):
    """Vectorised over a numpy array of uint64."""
    with np.errstate(over="ignore"):
        z = x + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def uniform(tensor_index, count, seed=0):
    key = ((tensor_index + (seed << 17)) << 40) & 0xFFFFFFFFFFFFFFFF
    with np.errstate(over="ignore"):
        bits = splitmix64(np.uint64(key) + np.arange(count, dtype=np.uint64))
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def variable(kind, shape, tensor_index, seed=0):
    u = uniform(tensor_index, math.prod(shape), seed)
    if kind.endswith("_weight"):
        fan_in = shape[0] * shape[1] if kind == "depthwise_weight" else math.prod(shape[:-1])
        value = (2.0 * u - 1.0) * math.sqrt(6.0 / fan_in)
    elif kind in ("bn_gamma", "bn_moving_variance"):
        value = 0.5 + u
    elif kind in ("bn_beta", "bias", "bn_moving_mean"):
        value = (2.0 * u - 1.0) * 0.1
    else:
        raise SystemExit(f"no formula for a variable of kind {kind}")
    return value.reshape(shape)


def make_weights(network, seed=0):
    return {name: variable(kind, shape, index, seed) for name, kind, shape, index in network.variables}


def make_batch(batch, height, width, classes, seed=0):
    images = 2.0 * uniform(IMAGES, batch * height * width * 3, seed) - 1.0
    labels = np.floor(uniform(LABELS, batch, seed) * classes).astype(np.int64)
    return {"images": images.reshape(batch, height, width, 3), "labels": labels}


def make_smooth_images(batch, height, width, seed=0):
    y, x = np.mgrid[0:height, 0:width]
    y, x = y / height, x / width
    images = np.zeros((batch, height, width, 3))
    for n in range(batch):
        r = iter(2.0 * uniform(2 * IMAGES + n, 51, seed) - 1.0)
        for channel in range(3):
            images[n, :, :, channel] = 0.4 * next(r)
            for _ in range(4):
                fx, fy, height_of_wave, phase = 1 + 3 * abs(next(r)), 1 + 3 * abs(next(r)), 0.25 * next(r), 3 * next(r)
                images[n, :, :, channel] += height_of_wave * np.sin(2 * np.pi * (fx * x + fy * y) + phase)
    return images


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_network_options(parser)
    parser.add_argument("--seed", type=int, default=0, help="0 to 127; the committed fingerprints use 0")
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--height", type=int, default=33)
    parser.add_argument("--image-width", type=int, default=47)
    parser.add_argument("--images", choices=("noise", "smooth"), default="noise")
    parser.add_argument("--weights", metavar="FILE", help="weights to write")
    parser.add_argument("--batch", metavar="FILE", help="batch to write")
    options = parser.parse_args()
    network = network_of(options)
    kind = {"f32": np.float32, "f64": np.float64}[options.dtype]
    if options.weights:
        save_file({n: v.astype(kind) for n, v in make_weights(network, options.seed).items()}, options.weights)
    if options.batch:
        batch = make_batch(options.batch_size, options.height, options.image_width, network.classes, options.seed)
        if options.images == "smooth":
            batch["images"] = make_smooth_images(options.batch_size, options.height, options.image_width, options.seed)
        save_file({"images": batch["images"].astype(kind), "labels": batch["labels"]}, options.batch)


if __name__ == "__main__":
    main()
