"""Code that the tests of the Python package share: small models of every family, models after surgery, and tolerances.

VITRIM_PYTHON_PACKAGE names the folder that holds the package `vitrim` (with its extension), VITRIM_PEERS_PYTHON the python that imports torch
and safetensors (else the one in .venv-peers, else the one that runs). Where these are missing, or the extension was not built, the tests
skip, saying so.
"""

import dataclasses
import importlib.util
import os
import shutil
import struct
import sys
import tempfile
import unittest
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tests"))
sys.path.insert(0, os.environ.get("VITRIM_PYTHON_PACKAGE", os.path.join(ROOT, "build", "release", "python")))
PEERS = os.environ.get("VITRIM_PEERS_PYTHON", os.path.join(ROOT, ".venv-peers", "bin", "python"))
if os.path.exists(PEERS) and os.path.dirname(os.path.dirname(os.path.abspath(PEERS))) != sys.prefix:
    os.execv(PEERS, [PEERS, *sys.argv])
SHARED = os.environ.get("VITRIM_SHARED", os.path.join(os.path.dirname(ROOT), "shared"))
SMALL = os.path.join(ROOT, "models", "synthetic_vit.safetensors")


def need(*modules):
    """Ends the script as skipped, with a message, if one of them is missing."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if not missing:
        return
    import cases

    class Missing(unittest.TestCase):
        def test_python_libraries(self):
            self.skipTest(f"SKIPPED: {sys.executable} has no {' and no '.join(missing)} (./check installs them into .venv-peers; VITRIM_PEERS_PYTHON names another python)")

    sys.modules["__main__"].Missing = Missing
    cases.main("python_" + os.path.basename(sys.argv[0]).removesuffix("_test.py"))


need("torch", "safetensors")
import torch  # noqa: E402

import vitrim  # noqa: E402
from vitrim import native  # noqa: E402


def float_tolerance(terms, operations, amplification):
    """Rounding of float32 through a chain of `operations` sums of `terms` products each, relative to the largest value: each sum is off by some
    sqrt(terms) * 2^-24, and independent ones add up as a root; `amplification` is how much the network enlarges a relative change."""
    return 2.0**-24 * (terms * operations) ** 0.5 * amplification


def tolerance(spec, amplification=4.0):
    """The tolerance for two programs that compute the same model, because both round. Eight sums per block, embedding, last norm and head; the
    longest sum is an MLP's, a patch's or a convolution's, or runs over all tokens."""
    height, width = spec.stage_grid(0)
    widest = max(block.mlp_dim for block in spec.blocks)
    terms = max(widest, spec.in_channels * spec.patch_size**2, 9 * spec.feature_dim, height * width + spec.prefix_tokens)
    return 2 * float_tolerance(terms, 3 + 8 * len(spec.blocks), amplification)


def difference(got, wanted):
    """max |got - wanted| / max |wanted|."""
    assert got.shape == wanted.shape, (got.shape, wanted.shape)
    return ((got.double() - wanted.double()).abs().max() / wanted.double().abs().max()).item()


def vit(depth=4, **changes):
    """32 x 32 images in patches of 8: 16 patch tokens, 32 channels, 2 heads, 10 classes."""
    blocks = [vitrim.BlockSpec("softmax", 32, 2, 16, 16, 64) for _ in range(depth)]
    return vitrim.ModelSpec(image_size=[32, 32], patch_size=8, num_classes=10, embed_dim=32, blocks=blocks, preprocess=vitrim.PreprocessSpec(crop=32), **changes)


def staged(family):
    """Maps of 8 x 8 and 4 x 4 tokens, 16 and 32 channels, heads of 8; one stage of focused linear attention and one of softmax, except for Swin."""
    first = {"swin": dict(attention="window", window=4), "flatten_swin": dict(attention="focused_linear", window=4), "cswin": dict(attention="cross_focused_linear", window=2)}
    second = {"swin": dict(attention="window", window=2), "flatten_swin": dict(attention="window", window=4), "cswin": dict(attention="cross_shaped_window", window=2)}
    pvt = dict(attention="focused_linear", sr_ratio=2), dict(attention="softmax", sr_ratio=2)
    kinds = (first.get(family, pvt[0]), second.get(family, pvt[1]))
    blocks = []
    for stage, (dim, heads) in enumerate(((16, 2), (32, 4))):
        for index in range(2):
            block = vitrim.BlockSpec(embed_dim=dim, num_heads=heads, qk_dim=8, v_dim=8, mlp_dim=2 * dim, **kinds[stage])
            if block.window and block.window < (8, 4)[stage] and family.endswith("swin") and family != "cswin":
                block.shift = index * block.window // 2
            blocks.append(block)
    return vitrim.ModelSpec(family=family, image_size=[32, 32], patch_size=4, num_classes=10, embed_dim=16, class_token=False, pooling="average", blocks=blocks,
                            stages=[vitrim.StageSpec(2, 16), vitrim.StageSpec(2, 32)], preprocess=vitrim.PreprocessSpec(crop=32))


def removed(spec, *layers):
    """The spec without the attention of these layers."""
    for i in layers:
        spec.blocks[i] = dataclasses.replace(spec.blocks[i], attention="none", num_heads=0, qk_dim=0, v_dim=0, merge=0, window=0, shift=0, sr_ratio=1, per_head_filters=False)
    return spec


def narrowed(spec):
    """The spec with channels removed, different ones in every block; depthwise filters are then one per head and channel."""
    for i, block in enumerate(spec.blocks):
        if block.attention == "none":
            continue
        block.v_dim -= 2 + 2 * (i % 2)
        if not spec.qk_norm:
            block.qk_dim -= 4 - 2 * (i % 2)
        block.mlp_dim -= 8 * i
        block.per_head_filters = "linear" in block.attention
    return spec


def merged(spec, *pairs):
    for block, count in zip(spec.blocks, pairs):
        block.merge = count
    return spec


def fixed(spec, *layers, side=3):
    """The spec with static attention in these layers."""
    for i in layers:
        spec.blocks[i] = dataclasses.replace(spec.blocks[i], attention="static", qk_dim=0, window=0, shift=0, sr_ratio=1, filter=side, per_head_filters=False)
    return spec


def variants():
    """Every variant by name, and models after surgery for some of them."""
    out = {
        "plain": vit(),
        "layerscale_qknorm": vit(layer_scale=True, qk_norm=True),
        "registers": vit(register_tokens=4, embed_prefix_tokens=False),
        "average": vit(class_token=False, embed_prefix_tokens=False, final_norm=False, fc_norm=True, pooling="average"),
        "distilled": vit(distillation_token=True),
        "no_qkv_bias": vit(qkv_bias=False),
        "pre_norm": vit(pre_norm=True),
        "no_classifier": vit(),
        "removed": removed(vit(), 0, 2),
        "narrowed": narrowed(removed(vit(), 1)),
        "merged": merged(vit(), 3, 3, 0, 2),
        "merged_average": merged(vit(class_token=False, embed_prefix_tokens=False, final_norm=False, fc_norm=True, pooling="average"), 2, 2, 2, 2),
        "merged_registers": merged(vit(register_tokens=3, distillation_token=True), 4, 3, 2, 1),
        "merged_removed_narrowed": narrowed(removed(merged(vit(layer_scale=True, qk_norm=True), 0, 0, 5, 2), 0)),
        "gain": removed(vit(), 1),
    }
    out["no_classifier"].num_classes = 0
    out["gain"].blocks[1].stream_gain = 2.0
    out["static"] = fixed(vit(register_tokens=2, layer_scale=True), 1, 2)
    out["static_merged"] = merged(fixed(vit(qkv_bias=False), 0), 0, 3, 2, 0)
    for family in ("swin", "pvt_v2", "cswin"):
        out["static_" + family] = fixed(staged(family), 1, 2, side=5)
    for family in ("swin", "flatten_swin", "pvt", "pvt_v2", "cswin"):
        out[family] = staged(family)
        out[family + "_removed"] = removed(staged(family), 0, 3)
        out[family + "_narrowed"] = narrowed(removed(staged(family), 2))
    return out


def lively(spec, seed=1):
    """A model with random weights at which every branch matters: matrices of gain 1, norms and layer scales off 1, biases off 0."""
    torch.manual_seed(seed)
    model = vitrim.build(spec)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name.endswith(".gamma"):
                p.copy_(0.6 + 0.1 * torch.randn_like(p))
            elif p.dim() == 1:
                p.copy_((1.0 if name.endswith("weight") else 0.0) + 0.1 * torch.randn_like(p))
            elif name.endswith(".weight"):
                p.copy_(torch.randn_like(p) / p[0].numel() ** 0.5)
            else:
                p.copy_(0.5 * torch.randn_like(p))
    return model


def colours(count, side=32, seed=3):
    """uint8 images [count, 3, side, side] of 4 x 4 random colours and some noise."""
    draw = torch.Generator().manual_seed(seed)
    coarse = torch.randn(count, 3, 4, 4, generator=draw) * 60 + 128
    noise = torch.randn(count, 3, side, side, generator=draw) * 6
    return (torch.nn.functional.interpolate(coarse, size=side) + noise).round().clamp(0, 255).to(torch.uint8)


def inputs(count, spec, seed=3):
    """The same, normalised."""
    return (colours(count, spec.image_size[0], seed).float() / 255 - 0.5) / 0.5


def library_output(path_or_module, x):
    """The outputs of the C++ library."""
    model, _ = native.open_model(path_or_module)
    return torch.utils.dlpack.from_dlpack(model.run(native.capsule(x.contiguous())))


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="vitrim-python-")
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name="model.safetensors"):
        return os.path.join(self.folder, name)

    def needs_library(self):
        if not native.available():
            self.skipTest("SKIPPED: the extension was not built (Python's headers are missing? Debian: python3-dev)")

    def needs_shared(self, relative):
        path = os.path.join(SHARED, relative)
        if not os.path.exists(path):
            self.skipTest(f"SKIPPED: {path} is missing (set VITRIM_SHARED)")
        return path

    def assert_near(self, got, wanted, bound, message=""):
        error = difference(got, wanted)
        self.assertLessEqual(error, bound, message)

    def png(self, name, image):
        """A PNG of one image, encoded here, so that no imaging library is needed."""
        def chunk(kind, data):
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

        rows = b"".join(b"\0" + row.tobytes() for row in image)
        head = struct.pack(">IIBBBBB", image.shape[1], image.shape[0], 8, 2, 0, 0, 0)
        with open(self.path(name), "wb") as file:
            file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
        return self.path(name)
