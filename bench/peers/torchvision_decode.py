"""torchvision's side of the decode bench: JPEG decode + bilinear resize to 224 x 224 on one thread, images a second.

Two ways: torchvision.io (libjpeg-turbo, tensor resize without antialiasing, the fast one) and Pillow (what ImageFolder
does by default, antialiased). Files are read into memory before the clock starts. `--serve` answers each line
`decode N` with the seconds for N images (cycling through the folder) of the faster way, for interleaving.
"""
import argparse
import io
import pathlib
import sys
import time

import torch
from PIL import Image
from torchvision.io import ImageReadMode, decode_jpeg


def with_torchvision(data, size):
    image = decode_jpeg(data, mode=ImageReadMode.RGB)
    return torch.nn.functional.interpolate(image[None].float(), (size, size), mode="bilinear", align_corners=False)


def with_pillow(data, size):
    image = Image.open(io.BytesIO(data.numpy().tobytes())).convert("RGB")
    return image.resize((size, size), Image.Resampling.BILINEAR)


def seconds(function, files, count, size):
    start = time.perf_counter()
    for i in range(count):
        function(files[i % len(files)], size)
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, help="searched for *.jpg, *.jpeg, *.JPEG")
    parser.add_argument("--limit", type=int, default=200, help="files to use")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--serve", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    paths = sorted(p for p in options.folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg"))[: options.limit]
    if not paths:
        sys.exit(f"{options.folder}: no JPEG files")
    files = [torch.frombuffer(bytearray(p.read_bytes()), dtype=torch.uint8) for p in paths]
    ways = {"torchvision": with_torchvision, "pillow": with_pillow}
    if options.serve:
        for function in ways.values():
            seconds(function, files, len(files), options.size)
        best = min(ways.values(), key=lambda f: seconds(f, files, len(files), options.size))
        for line in sys.stdin:
            words = line.split()
            if words == ["quit"]:
                break
            good = len(words) == 2 and words[0] == "decode" and words[1].isdigit()
            print(f"{seconds(best, files, int(words[1]), options.size):.9f}" if good else f"error: {line.strip()}",
                  flush=True)
        return
    for name, function in ways.items():
        seconds(function, files, len(files), options.size)
        times = sorted(seconds(function, files, len(files), options.size) for _ in range(options.rounds))
        print(f"{name}: {len(files) / times[len(times) // 2]:.1f} images/s (median of {options.rounds}, one thread)")


if __name__ == "__main__":
    main()
