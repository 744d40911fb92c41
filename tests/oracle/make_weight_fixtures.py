"""Writes tests/golden/weights: small weight files by the programs themselves, and what they hold.

    python tests/oracle/make_weight_fixtures.py

NAME.expected.safetensors holds the tensors of NAME as a reader must return them: half precision as f32, narrow integers
as i64. Files called bad_* must be refused. Needs torch, keras, h5py, onnx and safetensors (versions: tests/golden/README.md).
"""
import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import pathlib
import sys
import zipfile
from collections import OrderedDict

import h5py
import numpy as np
import onnx
import onnx.numpy_helper
import torch
from safetensors.torch import save_file

out = pathlib.Path(__file__).resolve().parent.parent / "golden/weights"
rng = np.random.default_rng(4)


def draw(*shape, dtype=np.float32):
    return np.asarray(rng.normal(size=shape), dtype)


def expect(name, tensors):
    """In the types a reader returns, each with storage of its own."""
    kept = {}
    for key, value in tensors.items():
        value = torch.from_numpy(np.array(value)) if isinstance(value, (np.ndarray, np.generic)) else value
        if value.dtype == torch.float16:
            value = value.float()
        if value.dtype in (torch.int8, torch.int16, torch.int32):
            value = value.long()
        kept[key] = value.detach().clone().contiguous()
    save_file(kept, str(out / (name + ".expected.safetensors")))


def torch_files():
    base = torch.from_numpy(draw(4, 6))
    tensors = OrderedDict()
    tensors["conv.weight"] = torch.from_numpy(draw(2, 3, 3, 3))
    tensors["linear.weight"] = base
    tensors["transposed"] = base.t()
    tensors["part"] = base[1:3, ::2]
    tensors["channels_last"] = torch.from_numpy(draw(2, 3, 4, 5)).contiguous(memory_format=torch.channels_last)
    tensors["half"] = torch.from_numpy(draw(5)).half()
    tensors["bfloat"] = torch.from_numpy(draw(5)).bfloat16()
    tensors["double"] = torch.from_numpy(draw(2, 2, dtype=np.float64))
    tensors["num_batches_tracked"] = torch.tensor(2**40 + 1)
    tensors["bytes"] = torch.tensor([0, 7, 255], dtype=torch.uint8)
    tensors["int32"] = torch.tensor([-(2**31), 5], dtype=torch.int32)
    tensors["empty"] = torch.zeros(0, 3)
    tensors["parameter"] = torch.nn.Parameter(torch.from_numpy(draw(3)))
    for name, zipped in (("torch_zip.pth", True), ("torch_legacy.pth", False)):
        torch.save(tensors, out / name, _use_new_zipfile_serialization=zipped)
        expect(name, tensors)
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    with torch.no_grad():
        for tensor in module.state_dict().values():
            tensor.copy_(torch.from_numpy(np.asarray(rng.normal(size=tensor.shape) * 10)).to(tensor.dtype))
    state = {"module." + k: v for k, v in module.state_dict().items()}
    torch.save({"epoch": 7, "arch": "tiny", "best": 0.5, "state_dict": state, "optimizer": {"lr": [1, 2]}},
               out / "torch_checkpoint.pth")
    expect("torch_checkpoint.pth", module.state_dict())

    torch.save(module, out / "bad_module.pth")  # names its classes
    with zipfile.ZipFile(out / "torch_checkpoint.pth") as source, \
            zipfile.ZipFile(out / "bad_compressed.pth", "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            target.writestr(entry.filename, source.read(entry))

    class Call:
        def __reduce__(self):
            return (os.system, ("true",))

    torch.save({"weight": torch.zeros(2), "hook": Call()}, out / "bad_callable.pth")
    torch.save({"weight": torch.zeros(2), "hook": Call()}, out / "bad_callable_legacy.pth",
               _use_new_zipfile_serialization=False)
    itself = {"weight": torch.zeros(2)}
    itself["again"] = [itself]
    torch.save(itself, out / "bad_cycle.pth")
    torch.save({"flags": torch.tensor([True, False])}, out / "bad_bool.pth")
    torch.save({"a": torch.zeros(1, 1, 1, 1, 1)}, out / "bad_rank.pth")


def keras_files():
    import keras
    from keras import layers

    x = inputs = layers.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="conv1")(x)
    x = layers.BatchNormalization(name="conv1_bn")(x)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False, name="dw")(x)
    x = layers.BatchNormalization(scale=False, name="dw_bn")(x)
    x = layers.SeparableConv2D(5, 3, use_bias=False, name="sep")(x)
    for i in range(9):  # more links than one leaf of a group holds
        x = layers.Conv2D(5, 1, name=f"block_{i}")(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(3, name="predictions")(x))
    for weight in model.weights:
        weight.assign(draw(*weight.shape))
    values = {}
    for layer in model.layers:
        for weight in layer.weights:
            values[f"{layer.name}/{weight.name}"] = keras.ops.convert_to_numpy(weight)
    model.save(out / "keras.h5")
    model.save_weights(out / "keras.weights.h5")
    for name in ("keras.h5", "keras.weights.h5"):
        expect(name, values)


def hdf5_files():
    """What h5py can write beside Keras's own habits, in the legacy layout."""

    def write(name, fill, **options):
        with h5py.File(out / name, "w", **options) as file:
            layer = file.create_group("layer")
            names = fill(layer) or list(layer.keys())
            file.attrs["layer_names"] = np.array([b"layer"])  # strings of fixed length
            half = (len(names) + 1) // 2
            layer.attrs["weight_names0"] = np.array([n.encode() + b":0" for n in names[:half]])
            layer.attrs["weight_names1"] = np.array([n.encode() + b":0" for n in names[half:]])
            for n in names:
                layer.move(n, n + ":0")

    values = {"contiguous": draw(3, 4), "chunked": draw(5, 7), "scalar": draw(), "half": draw(4, dtype=np.float16),
              "int16": np.array([-3, 9], np.int16), "double": draw(2, 2, dtype=np.float64),
              "cube": draw(3, 5, 4, 6), "bytes": np.array([1, 255], np.uint8), "row": draw(9)}

    def fill(layer):
        chunks = {"chunked": (2, 3), "cube": (2, 2, 3, 4), "row": (4,)}
        for key, value in values.items():
            layer.create_dataset(key, data=value, chunks=chunks.get(key))
        return list(values)

    write("h5py.h5", fill)
    expect("h5py.h5", values)

    few = {"contiguous": draw(3, 4), "scalar": draw(), "double": draw(2, dtype=np.float64)}

    def fill_few(layer):
        for key, value in few.items():
            layer.create_dataset(key, data=value)

    write("h5py_latest.h5", fill_few, libver="latest")
    expect("h5py_latest.h5", few)

    def dataset(**options):
        return lambda layer: layer.create_dataset("a", data=draw(4, 4), **options) and ["a"]

    write("bad_deflate.h5", dataset(chunks=(2, 2), compression="gzip"))
    write("bad_big_endian.h5", lambda layer: layer.create_dataset("a", data=draw(4).astype(">f4")) and ["a"])
    write("bad_bool.h5", lambda layer: layer.create_dataset("a", data=np.array([True])) and ["a"])
    write("bad_rank.h5", lambda layer: layer.create_dataset("a", data=draw(1, 1, 1, 1, 1)) and ["a"])

    def link(target):
        def fill_link(layer):
            layer.create_dataset("b", data=draw(2))
            layer["a"] = target
            return ["b"]

        return fill_link

    write("bad_external_link.h5", link(h5py.ExternalLink("other.h5", "/x")))
    write("bad_soft_link.h5", link(h5py.SoftLink("/layer/b:0")))

    def outside(layer):
        layer.create_dataset("a", (2,), "<f4", external=[("other.bin", 0, 8)])

    write("bad_external_data.h5", outside)

    with h5py.File(out / "bad_circle.h5", "w") as file:  # a group that contains itself
        inner = file.create_group("layers/conv2d")
        inner["again"] = file["layers"]


def onnx_files():
    values = {"raw": draw(2, 3), "half": draw(4, dtype=np.float16), "double": draw(2, 2, dtype=np.float64),
              "int64": np.array([-1, 2**50]), "int8": np.array([-128, 127], np.int8), "scalar": draw()}
    initialisers = [onnx.numpy_helper.from_array(np.asarray(v), k) for k, v in values.items()]
    typed = {"floats": (onnx.TensorProto.FLOAT, draw(3)), "doubles": (onnx.TensorProto.DOUBLE, draw(3, dtype=np.float64)),
             "longs": (onnx.TensorProto.INT64, np.array([-7, 7])), "shorts": (onnx.TensorProto.INT16, np.array([-7, 7], np.int16)),
             "unsigned": (onnx.TensorProto.UINT32, np.array([2**32 - 1, 7], np.uint32))}
    for name, (kind, value) in typed.items():
        initialisers.append(onnx.helper.make_tensor(name, kind, value.shape, value.flatten()))
    wanted = values | {k: v.astype(np.int64) if v.dtype == np.uint32 else v for k, (_, v) in typed.items()}

    def save(name, tensors):
        x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
        graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "g", [x],
                                       [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])], tensors)
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
        (out / name).write_bytes(model.SerializeToString())

    save("model.onnx", initialisers)
    expect("model.onnx", wanted)

    def external(**entries):
        tensor = onnx.TensorProto(name="outside", data_type=onnx.TensorProto.FLOAT, dims=[4], data_location=1)
        for key, value in entries.items():
            tensor.external_data.add(key=key, value=str(value))
        return [tensor]

    data = draw(6)
    (out / "external.bin").write_bytes(data.tobytes())
    save("external.onnx", external(location="external.bin", offset=8, length=16))
    expect("external.onnx", {"outside": data[2:]})
    save("bad_external_above.onnx", external(location="../external.bin"))
    save("bad_external_length.onnx", external(location="external.bin", offset=16))


out.mkdir(parents=True, exist_ok=True)
for old in out.iterdir():
    old.unlink()
torch_files()
keras_files()
hdf5_files()
onnx_files()
print(sum(p.stat().st_size for p in out.iterdir()), "bytes in", len(list(out.iterdir())), "files;", "torch",
      torch.__version__, "h5py", h5py.__version__, "onnx", onnx.__version__, "numpy", np.__version__, sys.version.split()[0])
