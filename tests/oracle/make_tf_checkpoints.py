"""Small checkpoints written by TensorFlow itself, and what a reader must find in them.

    python tests/oracle/make_tf_checkpoints.py tests/golden/tensorflow tests/fuzz/seeds

writes, with TensorFlow's own Savers,

    v1.ckpt             Saver, write_version V1, one file: MobileNet-like names, optimiser slots, moving averages, a
                        variable partitioned along two axes, every element type that the format has a place for
    v2.ckpt.*           the same variables, write_version V2, one data file
    v2_sharded.ckpt.*   the same, Saver(sharded=True) over three devices: three data files
    object.ckpt-1.*     tf.train.Checkpoint with an optimiser

and expected.tsv: for each file every tensor that tinyvision reads, with moving averages preferred and without: its
shape, its type in memory (half precision widened to f32, narrow integers to i64) and the SHA-256 of its elements in that type,
little endian and row-major. The values come from numpy, not from reading the files back.

The state of optimisers and step counters is in the files and must not be in the table. The second folder gets
the seeds of the fuzzers of these formats and of safetensors.
"""
import hashlib
import json
import os
import sys

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

IN_MEMORY = {"float16": "f32", "float32": "f32", "float64": "f64", "bfloat16": "bf16", "uint8": "u8"}


def values(shape, seed, dtype="float32"):
    """Values that every type holds exactly enough to tell them apart; no two tensors share them."""
    random = np.random.default_rng(seed)
    if dtype in ("float32", "float64"):
        x = random.standard_normal(shape).astype(dtype)
    elif dtype in ("float16", "bfloat16"):
        x = random.standard_normal(shape).astype(np.float32).astype(tf.as_dtype(dtype).as_numpy_dtype)
    else:
        info = np.iinfo(dtype)
        x = random.integers(info.min, info.max, size=shape, dtype=dtype, endpoint=True)
    flat = x.reshape(-1)
    if flat.size >= 16 and dtype == "float32":
        flat[:4] = [-0.0, np.float32(1e-45), np.float32(3.4e38), np.float32(1) / 3]
    if flat.size >= 2 and np.issubdtype(x.dtype, np.integer):
        flat[0], flat[1] = np.iinfo(dtype).min, np.iinfo(dtype).max
    return x


def weights():
    """MobileNet-like: the first layers of an eighth of the width."""
    seed = 1
    for layer, name, shape in [
        ("Conv2d_0", "weights", (3, 3, 3, 4)),
        ("Conv2d_1_depthwise", "depthwise_weights", (3, 3, 4, 1)),
        ("Conv2d_1_pointwise", "weights", (1, 1, 4, 8)),
    ]:
        yield f"MobilenetV1/{layer}/{name}", values(shape, seed)
        seed += 1
        for part in ("gamma", "beta", "moving_mean", "moving_variance"):
            channels = shape[-1] * (shape[-2] if "depthwise" in layer else 1)
            yield f"MobilenetV1/{layer}/BatchNorm/{part}", values((channels,), seed)
            seed += 1
    yield "MobilenetV1/Logits/Conv2d_1c_1x1/weights", values((1, 1, 8, 11), 100)
    yield "MobilenetV1/Logits/Conv2d_1c_1x1/biases", values((11,), 101)


V1, V2 = tf.compat.v1.train.SaverDef.V1, tf.compat.v1.train.SaverDef.V2
# The V1 format has no place for the last two.
TYPES = {V1: ["float16", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16"]}
TYPES[V2] = TYPES[V1] + ["bfloat16", "uint32"]


def table_rows(file, averages, tensors):
    for name in sorted(tensors):
        x = np.asarray(tensors[name])
        memory = IN_MEMORY.get(x.dtype.name, "i64")
        wide = {"f32": np.float32, "f64": np.float64, "u8": np.uint8, "i64": np.int64}.get(memory)
        held = x if wide is None else x.astype(wide)
        digest = hashlib.sha256(np.ascontiguousarray(held).tobytes()).hexdigest()
        yield "\t".join([file, averages, name, ",".join(map(str, x.shape)), memory, digest])


class Session:
    """Variables of the first version of TensorFlow with given values, and Savers for them."""

    def __init__(self, devices=1):
        self.v1 = tf.compat.v1
        self.devices = devices
        self.graph = tf.Graph()
        self.feeds = []

    def add(self, name, value, device=0, slice_info=None):
        with self.graph.as_default(), tf.device(f"/cpu:{device % self.devices}"):
            v = self.v1.get_variable(name, shape=value.shape, dtype=tf.as_dtype(value.dtype),
                                     initializer=self.v1.zeros_initializer(), use_resource=False)
        if slice_info is not None:
            v._set_save_slice_info(slice_info)
        self.feeds.append((v, value))

    def add_partitioned(self, name, whole, boxes):
        """One variable for every box (begin, length) of `whole`; saved together under `name`."""
        for i, (begin, length) in enumerate(boxes):
            part = whole[tuple(slice(b, b + n) for b, n in zip(begin, length))]
            info = self.v1.Variable.SaveSliceInfo(name, list(whole.shape), list(begin), list(length))
            self.add(f"{name}/part_{i}", part, i, info)

    def save(self, path, version, sharded=False):
        v1 = self.v1
        config = v1.ConfigProto(device_count={"CPU": self.devices})
        with self.graph.as_default(), v1.Session(config=config) as session:
            saver = v1.train.Saver([v for v, _ in self.feeds], sharded=sharded, write_version=version)
            for v, value in self.feeds:
                holder = v1.placeholder(v.dtype.base_dtype, v.shape)
                session.run(v1.assign(v, holder), {holder: value})
            saver.save(session, path, write_meta_graph=False, write_state=False)


def saver_checkpoints(folder):
    """v1.ckpt, v2.ckpt and v2_sharded.ckpt; returns their rows of the table."""
    rows = []
    for file, version, devices in [("v1.ckpt", V1, 1), ("v2.ckpt", V2, 1), ("v2_sharded.ckpt", V2, 3)]:
        session, plain, averaged = Session(devices), {}, {}
        for i, (name, value) in enumerate(weights()):
            plain[name] = value
            averaged[name] = values(value.shape, 1000 + i)
            session.add(name, value, i)
            session.add(name + "/ExponentialMovingAverage", averaged[name], i + 1)
            if not name.split("/")[-1].startswith("moving"):
                for k, slot in enumerate(("RMSProp", "RMSProp_1")):
                    session.add(f"{name}/{slot}", values(value.shape, 2000 + 2 * i + k), i)
        for i, dtype in enumerate(TYPES[version]):
            plain[f"types/{dtype}"] = values((3, 5), 3000 + i, dtype)
        plain["types/scalar"] = values((), 3100)
        plain["types/empty"] = values((0, 3), 3101)
        for i, name in enumerate(name for name in plain if name.startswith("types")):
            session.add(name, plain[name], i)
        averaged["only/shadow"] = values((2,), 3102)
        session.add("only/shadow/ExponentialMovingAverage", averaged["only/shadow"])
        session.add("global_step", np.asarray(123456789, np.int64))
        session.add("beta1_power", np.asarray(0.9, np.float32))
        plain["partitioned"] = values((5, 7, 3), 3200)
        session.add_partitioned("partitioned", plain["partitioned"], [
            (begin, length) for begin, length in
            [((0, 0, 0), (3, 4, 3)), ((0, 4, 0), (3, 3, 3)), ((3, 0, 0), (2, 4, 3)), ((3, 4, 0), (2, 3, 3))]])
        session.save(os.path.join(folder, file), version, devices > 1)
        rows += table_rows(file, "off", plain)
        rows += table_rows(file, "on", plain | averaged)
    return rows


def object_checkpoint(folder):
    """object.ckpt-1, written eagerly; returns its rows of the table."""
    class Layer(tf.Module):
        def __init__(self, seed):
            super().__init__()
            self.kernel = tf.Variable(values((3, 3, 2, 4), seed))
            self.bias = tf.Variable(values((4,), seed + 1))

    model = tf.Module()
    model.first, model.second = Layer(4000), Layer(4010)
    optimizer = tf.compat.v1.train.AdamOptimizer(0.0)
    variables = [model.first.kernel, model.first.bias, model.second.kernel, model.second.bias]
    optimizer.apply_gradients([(tf.zeros_like(v), v) for v in variables])
    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer, global_step=tf.Variable(7, dtype=tf.int64))
    checkpoint.save(os.path.join(folder, "object.ckpt"))
    os.remove(os.path.join(folder, "checkpoint"))
    tensors = {f"model/{layer}/{part}": getattr(getattr(model, layer), part).numpy()
               for layer in ("first", "second") for part in ("kernel", "bias")}
    return [row for averages in ("off", "on") for row in table_rows("object.ckpt-1", averages, tensors)]


def fuzz_seeds(folder):
    """The smallest files that show a fuzzer every kind of entry. A V2 checkpoint is one file here: the length of the
    index in 4 bytes, the index, the data file."""
    work = os.path.join(folder, "work.ckpt")
    seeds = {"safetensors": [], "tf_v1": [], "tf_v2": [], "leveldb_table": [], "protobuf": []}
    for version in (V1, V2):
        session = Session()
        session.add("a/w", values((2, 3), 1))
        session.add("a/w/ExponentialMovingAverage", values((2, 3), 2))
        session.add("a/h", values((3,), 3, "float16"))
        session.add("a/n", values((2,), 4, "int8"))
        session.add("global_step", np.asarray(9, np.int64))
        session.add_partitioned("p", values((3, 2), 5), [((0, 0), (1, 2)), ((1, 0), (2, 2))])
        session.save(work, version)
        if version == V1:
            table = open(work, "rb").read()
            seeds["tf_v1"].append(table)
        else:
            table = open(work + ".index", "rb").read()
            data = open(work + ".data-00000-of-00001", "rb").read()
            seeds["tf_v2"].append(len(table).to_bytes(4, "little") + table + data)
        seeds["leveldb_table"].append(table)
    header = {"__metadata__": {"k": "v"}}
    data = b""
    for name, dtype, x in [("w", "F32", values((2, 3), 1)), ("h", "F16", values((3,), 3, "float16")),
                           ("n", "I8", values((2,), 4, "int8")), ("e", "U8", np.zeros((0, 2), np.uint8))]:
        header[name] = {"dtype": dtype, "shape": x.shape, "data_offsets": [len(data), len(data) + x.nbytes]}
        data += x.tobytes()
    text = json.dumps(header).encode()
    seeds["safetensors"].append(len(text).to_bytes(8, "little") + text + data)
    seeds["protobuf"].append(bytes.fromhex("089601 1203616263 1d01020304 210102030405060708 2a020801"))
    seeds["protobuf"].append(tf.make_tensor_proto(values((2, 3), 1)).SerializeToString())
    for name in os.listdir(folder):
        if name.startswith("work.ckpt"):
            os.remove(os.path.join(folder, name))
    for target, files in seeds.items():
        os.makedirs(os.path.join(folder, target), exist_ok=True)
        for i, file in enumerate(files):
            with open(os.path.join(folder, target, f"seed_{i}"), "wb") as out:
                out.write(file)


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    golden, seeds = sys.argv[1:]
    os.makedirs(golden, exist_ok=True)
    rows = saver_checkpoints(golden) + object_checkpoint(golden)
    with open(os.path.join(golden, "expected.tsv"), "w") as out:
        out.write("\t".join(["file", "averages", "name", "shape", "dtype", "sha256"]) + "\n")
        out.write("\n".join(rows) + "\n")
    os.makedirs(seeds, exist_ok=True)
    fuzz_seeds(seeds)
    print(f"tensorflow {tf.__version__}, numpy {np.__version__}")


if __name__ == "__main__":
    main()
