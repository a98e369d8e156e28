"""Writes fixtures/: small images of every kind that vitrim reads, and Pillow's results for them.

    python3 tests/data/make_fixtures.py        # needs Pillow and NumPy; the results are committed

expected.txt: FILE WIDTH HEIGHT SHA256 of the RGB pixels. resize.txt: WIDTH HEIGHT NEW_WIDTH NEW_HEIGHT FILTER SHA256 of the
resized pattern (the pattern is also in resize_test.cpp).
"""

import hashlib
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image

folder = pathlib.Path(__file__).parent / "fixtures"
folder.mkdir(exist_ok=True)


def sha(pixels):
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


def pattern(width, height):
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    return (((x * 37 + y * 101 + c * 59) ^ (x * y)) & 255).astype(np.uint8)


def scene(width, height):
    """Smooth colours with two hard edges: what JPEG is made for."""
    y, x = np.mgrid[0:height, 0:width]
    rgb = np.stack([x * 255 // width, y * 255 // height, (x + y) * 255 // (width + height)], -1)
    rgb[height // 3 : height // 2, width // 4 : width // 2] = (250, 20, 40)
    rgb[:, -5:] = (10, 240, 230)
    return rgb.astype(np.uint8)


def write_png(path, width, height, depth, color_type, samples, interlaced=False, chunks=b""):
    """PNG by hand, for the kinds that Pillow cannot write. samples: [height, width, channels] of any unsigned type."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    def rows(block):
        out = b""
        for row in block:
            flat = row.reshape(-1)
            if depth == 16:
                data = flat.astype(">u2").tobytes()
            elif depth == 8:
                data = flat.astype(np.uint8).tobytes()
            else:
                bits = "".join(format(int(v), f"0{depth}b") for v in flat)
                bits += "0" * (-len(bits) % 8)
                data = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
            out += b"\0" + data
        return out

    adam7 = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    blocks = [samples[y::dy, x::dx] for y, x, dy, dx in adam7] if interlaced else [samples]
    data = b"".join(rows(b) for b in blocks if b.size)
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, int(interlaced))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunks + chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b"")
    )


w, h = 37, 29
rgb = scene(w, h)
image = Image.fromarray(rgb)
image.save(folder / "rgb420.jpg", quality=85, subsampling=2)
image.save(folder / "rgb422.jpg", quality=85, subsampling=1)
image.save(folder / "rgb444.jpg", quality=95, subsampling=0)
image.save(folder / "progressive.jpg", quality=85, progressive=True)
image.save(folder / "optimized.jpeg", quality=60, optimize=True, restart_marker_blocks=1)
image.convert("L").save(folder / "grey.jpg", quality=85)
image.convert("CMYK").save(folder / "cmyk.jpg", quality=90)
image.save(folder / "rgb.png")
image.convert("L").save(folder / "grey.png")
image.convert("1").save(folder / "bilevel.png")
alpha = np.concatenate([rgb, (255 - rgb[..., :1])], -1)
Image.fromarray(alpha).save(folder / "alpha.png")
Image.fromarray(alpha).convert("LA").save(folder / "grey_alpha.png")
palette = image.quantize(16)
palette.save(folder / "palette4.png", bits=4, transparency=3)
image.quantize(200).save(folder / "palette8.png")
image.save(folder / "lossy.webp", quality=80)
image.save(folder / "lossless.webp", lossless=True)
Image.fromarray(alpha).save(folder / "alpha.webp", quality=80)
frames = [image, Image.fromarray(255 - rgb)]
frames[0].save(folder / "animated.webp", save_all=True, append_images=frames[1:], duration=100)  # refused
wide = rgb.astype(np.uint16) * 256 + np.arange(w, dtype=np.uint16)[None, :, None]
write_png(folder / "rgb16.png", w, h, 16, 2, wide)
write_png(folder / "interlaced.png", w, h, 8, 2, rgb, interlaced=True)
write_png(folder / "grey2_interlaced.png", w, h, 2, 0, rgb[..., :1] >> 6, interlaced=True)
write_png(folder / "grey4.png", w, h, 4, 0, rgb[..., :1] >> 4)
write_png(folder / "grey16.png", w, h, 16, 0, wide[..., :1])

with open(folder / "expected.txt", "w") as out:
    for path in sorted([*folder.glob("*.*g"), *folder.glob("*.webp")]):
        if path.name == "animated.webp":
            continue
        pixels = np.asarray(Image.open(path).convert("RGB"))
        if path.name == "grey16.png":  # Pillow clips at 255; vitrim keeps the high byte, as both do for rgb16.png
            pixels = np.repeat((wide[..., :1] >> 8).astype(np.uint8), 3, -1)
        out.write(f"{path.name} {pixels.shape[1]} {pixels.shape[0]} {sha(pixels)}\n")

with open(folder / "resize.txt", "w") as out:
    for size, new in [((64, 48), (32, 24)), ((50, 37), (23, 31)), ((31, 17), (90, 70)), ((33, 20), (33, 9)), ((40, 25), (7, 25)),
                      ((227, 160), (224, 158)), ((1, 1), (5, 4)), ((300, 2), (3, 2)), ((19, 23), (19, 23))]:
        for name, kind in (("bicubic", Image.BICUBIC), ("bilinear", Image.BILINEAR)):
            result = np.asarray(Image.fromarray(pattern(*size)).resize(new, kind))
            out.write(f"{size[0]} {size[1]} {new[0]} {new[1]} {name} {sha(result)}\n")
