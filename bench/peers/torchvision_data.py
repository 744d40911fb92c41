"""torchvision's side of the data bench: Pillow decodes, torchvision crops, resizes (antialiased bilinear) and flips.

    torchvision_data.py PHOTOS --serve      answers each line:
      boxes PATH      takes the crops in that file ("file top left height width flip;..."); answers their number
      crops N         seconds for N of them on one thread, cycling; files are in memory
      pixels I PATH   writes the 224 x 224 x 3 bytes of crop I
"""
import argparse
import io
import pathlib
import sys
import time

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F


class Bench:
    def __init__(self, folder):
        self.folder = folder
        self.files = {}
        self.crops = []

    def boxes(self, path):
        for line in pathlib.Path(path).read_text().strip().split(";"):
            if not line:
                continue
            name, *numbers = line.rsplit(" ", 5)
            if name not in self.files:
                self.files[name] = (self.folder / name).read_bytes()
            self.crops.append((name, *map(int, numbers)))
        return str(len(self.crops))

    def crop(self, i):
        name, top, left, height, width, flip = self.crops[i % len(self.crops)]
        image = Image.open(io.BytesIO(self.files[name])).convert("RGB")
        image = F.resized_crop(image, top, left, height, width, [224, 224], InterpolationMode.BILINEAR, antialias=True)
        return np.asarray(F.horizontal_flip(image) if flip else image)

    def seconds(self, count):
        start = time.perf_counter()
        for i in range(count):
            self.crop(i)
        return f"{time.perf_counter() - start:.9f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--serve", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    bench = Bench(options.folder)
    for line in sys.stdin:
        words = line.split()
        if words[0] == "boxes":
            print(bench.boxes(words[1]), flush=True)
        elif words[0] == "crops":
            print(bench.seconds(int(words[1])), flush=True)
        elif words[0] == "pixels":
            pathlib.Path(words[2]).write_bytes(bench.crop(int(words[1])).tobytes())
            print("written", flush=True)
        else:
            print(f"error: {line.strip()}", flush=True)


if __name__ == "__main__":
    main()
