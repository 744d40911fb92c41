"""Training trace by the independent interpreter: the same options and the same output files as `tv_audit trace`.

Each step: total loss = mean softmax cross-entropy (+ 0.4 times that of an auxiliary head) + weight_decay * 0.5 * sum of |w|^2 over the decay set; gradients by
PyTorch's autograd; Nesterov momentum v = m v + g, w = w - lr (g + m v); then the moving statistics of batch norm; then
the moving average of all of these, ema = d ema + (1 - d) value, started at the initial weights. Dropout and drop path
take the masks of masks.py, those of step --first-step and the following. `--mode eval` normalises with the moving
statistics and stops after the loss: no gradients, nothing is updated. With --batch-size step s trains on the s-th so many
examples of the file, over and over.

DIR/step_NNN.safetensors: activation/<id>:<name>, logits, feature, loss, and in training gradient/<variable>,
weight/<variable> and ema/<variable> (both after the step, moving statistics included), of every --dump-every-th step and
the last. DIR/trace.csv: step,loss of all.
"""
import argparse
import pathlib

import torch
from safetensors.torch import load_file, save_file

from masks import Masks
from ops_interpreter import (AUXILIARY_WEIGHT, DTYPES, MOVING, add_network_options, cross_entropy, forward,
                             network_of)


def train_steps(network, values, images, labels, options):
    """Yields (step, loss as a Python float, tensors to dump), updating `values` in place."""
    training = options.mode == "train"
    moving = {name for name, kind, _, _ in network.variables if kind in MOVING}
    trainables = network.trainables()
    decayed = network.decayed(options.decay_set)
    velocity = {name: torch.zeros_like(values[name]) for name in trainables}
    ema = {name: value.clone() for name, value in values.items()}
    size = options.batch_size or len(images)
    for step in range(options.steps):
        at = step * size % len(images)
        seen, truth = images[at : at + size], labels[at : at + size]
        masks = None
        if training and (options.dropout_keep < 1 or options.drop_path_keep < 1):
            masks = Masks(options.seed, options.first_step + step, options.dropout_keep, options.drop_path_keep,
                          network.cells())
        record = {}
        for name in trainables:
            values[name] = values[name].detach().requires_grad_(training)
        heads = []
        logits, feature, updates = forward(network, values, seen, training, options.bn_decay, record, heads, masks)
        loss = cross_entropy(logits, truth, options.label_smoothing)
        for scores in heads if training else []:
            loss = loss + AUXILIARY_WEIGHT * cross_entropy(scores, truth, options.label_smoothing)
        if options.weight_decay:
            loss = loss + options.weight_decay * 0.5 * sum((values[name] ** 2).sum() for name in decayed)
        dump = {f"activation/{key}": value for key, value in record.items()}
        dump.update(logits=logits.detach(), feature=feature.detach(), loss=loss.detach())
        if training:
            gradients = torch.autograd.grad(loss, [values[name] for name in trainables])
            with torch.no_grad():
                for name, gradient in zip(trainables, gradients):
                    velocity[name] = options.momentum * velocity[name] + gradient
                    values[name] = values[name] - options.lr * (gradient + options.momentum * velocity[name])
                    dump[f"gradient/{name}"] = gradient
                assert set(updates) == moving
                values.update(updates)
                for name in ema:
                    ema[name] = options.ema * ema[name] + (1 - options.ema) * values[name]
                    dump[f"weight/{name}"] = values[name]
                    dump[f"ema/{name}"] = ema[name]
        yield step, loss.item(), dump


def add_trace_options(parser):
    """The options of `tv_audit trace`; --kernels and --fused choose our implementations and mean nothing here."""
    add_network_options(parser)
    parser.add_argument("--weights", required=True, help="safetensors with the table's variable names")
    parser.add_argument("--batch", required=True, help="safetensors with images [N,H,W,3] and labels [N] i64")
    parser.add_argument("--mode", choices=("train", "eval"), default="train")
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--momentum", type=float, default=0.9)
    parser.add_argument("--weight-decay", type=float, default=8e-5)
    parser.add_argument("--decay-set", choices=("conv_fc", "slim", "all"), default="conv_fc")
    parser.add_argument("--bn-decay", type=float, default=0.9)
    parser.add_argument("--ema", type=float, default=0.9999)
    parser.add_argument("--label-smoothing", type=float, default=0.0)
    parser.add_argument("--dropout-keep", type=float, default=1.0)
    parser.add_argument("--drop-path-keep", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0, help="of the masks")
    parser.add_argument("--first-step", type=int, default=0, help="number of the first step, for masks and schedules")
    parser.add_argument("--batch-size", type=int, default=0, help="examples of a step; 0: all of the file")
    parser.add_argument("--dump-every", type=int, default=1)
    parser.add_argument("--kernels", help="accepted and ignored")
    parser.add_argument("--fused", help="accepted and ignored")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--dump", required=True, metavar="DIR")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_trace_options(parser)
    options = parser.parse_args()
    if options.weights == "random":
        raise SystemExit("--weights random: start tv_audit first and give the file of weights it writes")
    if options.threads:
        torch.set_num_threads(options.threads)
    dtype = DTYPES[options.dtype]
    network = network_of(options)
    values = network.load(options.weights, dtype)
    batch = load_file(options.batch)
    images, labels = batch["images"].to(dtype), batch["labels"]
    if images.dim() != 4 or images.shape[3] != 3 or labels.shape != images.shape[:1]:
        raise SystemExit(f"{options.batch}: images {tuple(images.shape)}, labels {tuple(labels.shape)}")
    if labels.min() < 0 or labels.max() >= network.classes:
        raise SystemExit(f"{options.batch}: a label is outside 0..{network.classes - 1}")
    if options.batch_size and len(images) % options.batch_size:
        raise SystemExit(f"{options.batch}: {len(images)} examples are no whole number of batches")
    folder = pathlib.Path(options.dump)
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["step,loss\n"]
    for step, loss, dump in train_steps(network, values, images, labels, options):
        if (step + 1) % options.dump_every == 0 or step + 1 == options.steps:
            owned, seen = {}, set()
            for name, value in dump.items():  # the format's writer refuses tensors that share storage
                value = value.detach().contiguous()
                owned[name] = value.clone() if value.data_ptr() in seen else value
                seen.add(value.data_ptr())
            save_file(owned, str(folder / f"step_{step:03d}.safetensors"))
        lines.append(f"{step},{loss:.17g}\n")
        print(f"step {step} loss {loss:.17g}", flush=True)
    (folder / "trace.csv").write_text("".join(lines))


if __name__ == "__main__":
    main()
