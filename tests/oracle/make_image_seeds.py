"""Writes tiny drawn images in every format, by Pillow, as seeds of the fuzz target image_decode (pillow_N), and
tests/golden/images/pillow.tsv: what Pillow reads from them (seed, height, width, CRC-32 of the RGB bytes).

Needs numpy, pillow. Usage: python tests/oracle/make_image_seeds.py [folder]
"""
import gzip
import io
import pathlib
import sys
import zlib

import numpy as np
from PIL import Image


def encoded(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def images():
    y, x = np.mgrid[0:9, 0:11]
    rgb = Image.fromarray(np.stack([x * 20, y * 25, x * y * 2], axis=2).astype(np.uint8), "RGB")
    grey, palette = rgb.convert("L"), rgb.quantize(5)
    return [
        encoded(rgb, "JPEG", quality=50, subsampling=2),
        encoded(rgb, "JPEG", quality=30, progressive=True, optimize=True),
        encoded(grey, "JPEG", quality=50, restart_marker_blocks=1),
        encoded(rgb.convert("CMYK"), "JPEG", quality=30, optimize=True),
        encoded(rgb, "PNG"),
        encoded(palette, "PNG", transparency=1),
        encoded(Image.fromarray((x * 5000).astype(np.uint16)), "PNG"),
        encoded(rgb.convert("RGBA"), "PNG"),
        encoded(palette, "GIF", transparency=2),
        encoded(rgb, "BMP"),
        encoded(palette, "BMP"),
        encoded(grey.convert("1"), "BMP"),
        encoded(rgb, "PPM"),
        encoded(grey, "PPM"),
        gzip.compress(encoded(grey, "JPEG", quality=30, optimize=True), mtime=0),
    ]


def pillow_pixels(data):
    image = Image.open(io.BytesIO(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data))
    if image.mode.startswith("I"):  # 16 bits: the upper 8, grey
        return np.stack([np.array(image) >> 8] * 3, axis=2).astype(np.uint8)
    return np.array(image.convert("RGB"))


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)
    for place in ("fuzz/seeds/image_decode", "golden/images"):
        (folder / place).mkdir(parents=True, exist_ok=True)
    with open(folder / "golden/images/pillow.tsv", "w") as file:
        for i, picture in enumerate(images()):
            (folder / f"fuzz/seeds/image_decode/pillow_{i}").write_bytes(picture)
            pixels = pillow_pixels(picture)
            file.write(f"pillow_{i}\t{pixels.shape[0]}\t{pixels.shape[1]}\t{zlib.crc32(pixels.tobytes())}\n")


if __name__ == "__main__":
    main()
