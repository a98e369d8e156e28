"""Pillow's results of single pixel operations: OPERATION ARGUMENT FILTER KIND WIDTH HEIGHT SHA256 on each line.

    python3 tests/data/pixel_ops_reference.py 1 > tests/data/fixtures/pixel_ops.txt    # needs Pillow and NumPy; the result is committed

The first argument is the seed of the arguments, the second how many of them each operation gets (3). Arguments are hexadecimal floats, so that
nothing is rounded. The images are also in augment_test.cpp.
"""

import hashlib
import random
import sys

import numpy as np
from PIL import Image, ImageEnhance, ImageOps


def picture(kind, width, height):
    """pattern: every value, neighbours differ widely; faint: values 30 to 93; waves: smooth; flat: one colour."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    values = {
        "pattern": ((x * 37 + y * 101 + c * 59) ^ (x * y)) & 255,
        "faint": ((((x * 37 + y * 101 + c * 59) ^ (x * y)) & 255) >> 2) + 30,
        "waves": (x * (c + 2) + y * (5 - c) + x * y // 16) % 241,
        "flat": 40 + 70 * c,
    }[kind]
    return Image.fromarray(values.astype(np.uint8))


def affine(matrix):
    return lambda image, value, how: image.transform(image.size, Image.AFFINE, matrix(image, value), resample=how, fillcolor=(124, 116, 7))


def solarize_add(image, amount):
    return image.point([min(255, i + int(amount)) if i < 128 else i for i in range(256)] * 3)


factors = lambda: random.uniform(0.1, 1.9)
plain = {
    "auto_contrast": (lambda: 0.0, lambda image, _: ImageOps.autocontrast(image)),
    "equalize": (lambda: 0.0, lambda image, _: ImageOps.equalize(image)),
    "invert": (lambda: 0.0, lambda image, _: ImageOps.invert(image)),
    "posterize": (lambda: random.randint(1, 8), lambda image, bits: ImageOps.posterize(image, int(bits))),
    "solarize": (lambda: random.randint(0, 256), lambda image, threshold: ImageOps.solarize(image, int(threshold))),
    "solarize_add": (lambda: random.randint(0, 110), solarize_add),
    "color": (factors, lambda image, factor: ImageEnhance.Color(image).enhance(factor)),
    "contrast": (factors, lambda image, factor: ImageEnhance.Contrast(image).enhance(factor)),
    "brightness": (factors, lambda image, factor: ImageEnhance.Brightness(image).enhance(factor)),
    "sharpness": (factors, lambda image, factor: ImageEnhance.Sharpness(image).enhance(factor)),
    "flip": (lambda: 0.0, lambda image, _: ImageOps.mirror(image)),
}
geometric = {
    "rotate": (lambda: random.choice([0.0, 30.0, random.uniform(-30, 30)]),
               lambda image, degrees, how: image.rotate(degrees, resample=how, fillcolor=(124, 116, 7))),
    "shear_x": (lambda: random.uniform(-0.3, 0.3), affine(lambda image, v: (1, v, 0, 0, 1, 0))),
    "shear_y": (lambda: random.uniform(-0.3, 0.3), affine(lambda image, v: (1, 0, 0, v, 1, 0))),
    "translate_x": (lambda: random.uniform(-0.45, 0.45), affine(lambda image, v: (1, 0, v * image.size[0], 0, 1, 0))),
    "translate_y": (lambda: random.uniform(-0.45, 0.45), affine(lambda image, v: (1, 0, 0, 0, 1, v * image.size[1]))),
}
sizes = [(64, 48), (31, 40), (3, 5), (2, 2), (1, 1), (96, 96)]


def main(seed, count):
    random.seed(seed)
    for name in [*plain, *geometric]:
        for kind in ("pattern", "faint", "waves", "flat"):
            for i in range(count):
                width, height = random.choice(sizes[:2]) if i == 0 else random.choice(sizes)
                argument = float((plain.get(name) or geometric[name])[0]())
                image = picture(kind, width, height)
                filters = [("none", None)] if name in plain else [("bicubic", Image.BICUBIC), ("bilinear", Image.BILINEAR)]
                for filter_name, how in filters:
                    result = plain[name][1](image, argument) if how is None else geometric[name][1](image, argument, how)
                    sha = hashlib.sha256(result.tobytes()).hexdigest()
                    print(name, argument.hex(), filter_name, kind, width, height, sha)


main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3)
