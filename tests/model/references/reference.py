"""Vision transformers in NumPy, written from the papers for these tests alone: one image at a time, in float64, token by token, nothing shared with
the library or with the Python package. What a spec and its parameters are called is vitrim's; what they mean is said here once more.

ViT (Dosovitskiy et al. 2021), DeiT (Touvron et al. 2021), Swin (Liu et al. 2021), PVT and PVTv2 (Wang et al. 2021, 2022), CSwin (Dong et al. 2022),
focused linear attention (FLatten, Han et al. 2023), token merging (ToMe, Bolya et al. 2023), static attention (docs/static.md).
"""

import math

import numpy as np

ERF = np.vectorize(math.erf)
ACTIVATIONS = {
    "gelu": lambda x: 0.5 * x * (1 + ERF(x / math.sqrt(2))),
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "quick_gelu": lambda x: x / (1 + np.exp(-1.702 * x)),
    "relu": lambda x: np.maximum(x, 0),
    "silu": lambda x: x / (1 + np.exp(-x)),
}


def convolve(planes, weight, bias, stride=1, padding=0):
    """planes [C, H, W], weight [O, I, k, k] (I = 1: a filter for every channel) -> [O, H', W']."""
    side = weight.shape[2]
    padded = np.pad(planes, ((0, 0), (padding, padding), (padding, padding)))
    height = (padded.shape[1] - side) // stride + 1
    width = (padded.shape[2] - side) // stride + 1
    out = np.empty((weight.shape[0], height, width))
    for y in range(height):
        for x in range(width):
            patch = padded[:, y * stride:y * stride + side, x * stride:x * stride + side]
            out[:, y, x] = (weight[:, 0] * patch).sum((1, 2)) if weight.shape[1] == 1 else np.tensordot(weight, patch, 3)
    return out if bias is None else out + bias[:, None, None]


def softmax(scores):
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def regions(grid, size, shift=0):
    """Of a map rolled by -shift, the tokens of every region of `size`: [(tokens, labels)]. Tokens of other labels were not neighbours before
    the map was rolled."""
    (height, width), (h, w) = grid, size
    band = lambda at, length, side: int(at >= length - side) + int(at >= length - shift)  # noqa: E731
    out = []
    for top in range(0, height, h):
        for left in range(0, width, w):
            places = [(y, x) for y in range(top, top + h) for x in range(left, left + w)]
            tokens = [(y + shift) % height * width + (x + shift) % width for y, x in places]
            out.append((tokens, [(band(y, height, h), band(x, width, w)) if shift else 0 for y, x in places]))
    return out


class Reference:
    def __init__(self, spec, weights):
        self.spec = spec
        self.weights = {name: np.asarray(value, np.float64) for name, value in weights.items()}

    # Layers.
    def linear(self, x, name):
        out = x @ self.weights[name + ".weight"].T
        return out + self.weights[name + ".bias"] if name + ".bias" in self.weights else out

    def norm(self, x, name):
        centred = x - x.mean(-1, keepdims=True)
        scale = np.sqrt((centred**2).mean(-1, keepdims=True) + self.spec["norm_eps"])
        return centred / scale * self.weights[name + ".weight"] + self.weights[name + ".bias"]

    def convolution(self, planes, name, stride=1, padding=0):
        return convolve(planes, self.weights[name + ".weight"], self.weights.get(name + ".bias"), stride, padding)

    def mlp(self, x, prefix, grid=None):
        hidden = self.linear(x, prefix + "fc1")
        if prefix + "dwconv.dwconv.weight" in self.weights:
            planes = hidden.T.reshape(-1, *grid)
            hidden = self.convolution(planes, prefix + "dwconv.dwconv", 1, 1).reshape(hidden.shape[1], -1).T
        act = ACTIVATIONS[self.spec.get("activation", "gelu")]
        if self.spec.get("gated_mlp"):
            half = hidden.shape[1] // 2
            return self.linear(act(hidden[:, :half]) * hidden[:, half:], prefix + "fc2")
        return self.linear(act(hidden), prefix + "fc2")

    # Attention.
    def heads_softmax(self, q, k, v, block, heads, bias=None, norms=None):
        qk, out = q.shape[1] // heads, []
        keys = []
        for h in range(heads):
            one_q, one_k = q[:, h * qk:(h + 1) * qk], k[:, h * qk:(h + 1) * qk]
            if norms:
                one_q, one_k = self.norm(one_q, norms + "q_norm"), self.norm(one_k, norms + "k_norm")
            keys.append(one_k)
            scores = one_q @ one_k.T / math.sqrt(qk)
            if bias is not None:
                scores = scores + bias[h]
            width = v.shape[1] // heads
            out.append(softmax(scores) @ v[:, h * width:(h + 1) * width])
        return np.concatenate(out, 1), np.mean(keys, 0)

    def sharpen(self, x, scale):
        """FLatten's phi: the direction of the third (or another) power, the length of x."""
        x = (np.maximum(x, 0) + 1e-6) / scale
        power = x ** self.spec.get("focusing_factor", 3)
        return power * np.linalg.norm(x, axis=1, keepdims=True) / np.linalg.norm(power, axis=1, keepdims=True)

    def focused(self, q, k, v, prefix, heads, grid, per_head_filters):
        scale = np.log1p(np.exp(self.weights[prefix + "scale"].reshape(-1)))
        q = self.sharpen(q, scale)
        k = self.sharpen(k + self.weights[prefix + "positional_encoding"][0], scale)
        n, m, qk, width = grid[0] * grid[1], len(k), q.shape[1] // heads, v.shape[1] // heads
        out = []
        for h in range(heads):
            one_q, one_k, one_v = q[:, h * qk:(h + 1) * qk], k[:, h * qk:(h + 1) * qk], v[:, h * width:(h + 1) * width]
            out.append(one_q @ (one_k.T @ one_v) / m / (one_q @ one_k.mean(0) + 1e-6)[:, None])
        if m != n:  # v of a smaller map, drawn out along the line of its tokens
            at = np.clip((np.arange(n) + 0.5) * m / n - 0.5, 0, m - 1)
            below = np.minimum(at.astype(int), m - 1)
            above = np.minimum(below + 1, m - 1)
            v = v[below] + (at - below)[:, None] * (v[above] - v[below])
        side = self.weights[prefix + "dwc.weight"].shape[2]
        for h in range(heads):
            name = self.weights[prefix + "dwc.weight"], self.weights[prefix + "dwc.bias"]
            if per_head_filters:
                name = tuple(part[h * width:(h + 1) * width] for part in name)
            planes = v[:, h * width:(h + 1) * width].T.reshape(width, *grid)
            out[h] = out[h] + convolve(planes, *name, 1, side // 2).reshape(width, -1).T
        return np.concatenate(out, 1)

    def projections(self, x, block, prefix, grid):
        qk, v = block["num_heads"] * block["qk_dim"], block["num_heads"] * block["v_dim"]
        if prefix + "qkv.weight" in self.weights:
            both = self.linear(x, prefix + "qkv")
            return both[:, :qk], both[:, qk:2 * qk], both[:, 2 * qk:]
        keys, ratio = x, block.get("sr_ratio", 1)
        if ratio > 1:
            planes = self.convolution(x.T.reshape(-1, *grid), prefix + "sr", ratio)
            keys = self.norm(planes.reshape(planes.shape[0], -1).T, prefix + "norm")
        both = self.linear(keys, prefix + "kv")
        return self.linear(x, prefix + "q"), both[:, :qk], both[:, qk:qk + v]

    def static(self, x, prefix, grid, before):
        values = self.linear(x, prefix + "v")
        filtered = convolve(values[before:].T.reshape(-1, *grid), self.weights[prefix + "filter.weight"], None, 1,
                            self.weights[prefix + "filter.weight"].shape[2] // 2)
        sources = np.concatenate([values[before:].mean(0, keepdims=True), values[:before]])
        taken = np.stack([(self.weights[prefix + "shares"][:, to, :].T * sources).sum(0) for to in range(1 + before)])
        mixed = np.concatenate([taken[1:], filtered.reshape(filtered.shape[0], -1).T + taken[0]])
        return self.linear(mixed, prefix + "proj")

    def attention(self, x, block, prefix, grid, before=0, sizes=None):
        """The branch, and keys that merging compares."""
        kind, heads = block["attention"], block["num_heads"]
        if kind == "static":
            return self.static(x, prefix, grid, before), None
        q, k, v = self.projections(x, block, prefix, grid)
        own, keys = block.get("per_head_filters", False), None
        if kind == "softmax":
            bias = None if sizes is None else np.broadcast_to(np.log(sizes), (heads, len(x), len(x)))
            mixed, keys = self.heads_softmax(q, k, v, block, heads, bias, prefix if self.spec.get("qk_norm") else None)
        elif kind == "window":
            mixed, side = np.zeros_like(v), block["window"]
            table = self.weights[prefix + "relative_position_bias_table"]
            places = [(i // side, i % side) for i in range(side * side)]
            index = np.array([[(a[0] - b[0] + side - 1) * (2 * side - 1) + a[1] - b[1] + side - 1 for b in places] for a in places])
            for tokens, labels in regions(grid, (side, side), block.get("shift", 0)):
                apart = np.array([[-100.0 * (a != b) for b in labels] for a in labels])
                mixed[tokens] = self.heads_softmax(q[tokens], k[tokens], v[tokens], block, heads, table[index].transpose(2, 0, 1) + apart)[0]
        elif kind == "focused_linear":
            if len(k) != len(q) or not block.get("window"):
                mixed = self.focused(q, k, v, prefix, heads, grid, own)
            else:
                mixed, size = np.zeros_like(v), (block["window"], block["window"])
                for tokens, _ in regions(grid, size, block.get("shift", 0)):
                    mixed[tokens] = self.focused(q[tokens], k[tokens], v[tokens], prefix, heads, size, own)
        else:
            mixed = self.stripes(q, k, v, block, prefix, grid)
        return self.linear(mixed, prefix + "proj"), keys

    def stripes(self, q, k, v, block, prefix, grid):
        """CSwin: a half of the heads in stripes down, the others in stripes across; a depthwise filter of v within a stripe."""
        width = block.get("window", 0)
        shapes = [(grid[0], width), (width, grid[1])] if width else [grid]
        heads, mixed = block["num_heads"] // len(shapes), np.zeros_like(v)
        qk, wide = q.shape[1] // len(shapes), v.shape[1] // len(shapes)
        for i, shape in enumerate(shapes):
            own = f"{prefix}attns.{i}."
            for tokens, _ in regions(grid, shape):
                part = [t[tokens][:, i * w:(i + 1) * w] for t, w in ((q, qk), (k, qk), (v, wide))]
                if block["attention"] == "cross_focused_linear":
                    got = self.focused(*part, own, heads, shape, block.get("per_head_filters", False))
                else:
                    got = self.heads_softmax(*part, block, heads)[0]
                near = self.convolution(part[2].T.reshape(wide, *shape), own + "get_v", 1, 1).reshape(wide, -1).T
                mixed[np.ix_(tokens, range(i * wide, (i + 1) * wide))] = got + near
        return mixed

    # Merging.
    def merge(self, y, keys, before, count, sizes):
        """Each even token is matched with its most similar odd token; the `count` most similar pairs become their mean, weighted by sizes."""
        direction = keys / np.maximum(np.linalg.norm(keys, axis=1, keepdims=True), 1e-12)
        pairs = []
        for a in range(before + before % 2, len(y), 2):
            alike = [(round(float(direction[a] @ direction[b]) * 2**20), -b) for b in range(before + 1 - before % 2, len(y), 2)]
            score, partner = max(alike)
            pairs.append((-score, a, -partner))
        total, sums = sizes.copy(), y * sizes[:, None]
        gone = sorted(pairs)[:count]
        for _, a, b in gone:
            total[b] += sizes[a]
            sums[b] += y[a] * sizes[a]
        left = set(range(len(y))) - {a for _, a, _ in gone}
        order = [i for i in range(before)] + [i for i in range(before, len(y)) if i in left and i % 2 == 0] + [i for i in range(before, len(y)) if i % 2]
        return sums[order] / total[order][:, None], total[order]

    # Models.
    def block(self, x, block, prefix, grid, before=0, sizes=None):
        y = x * block.get("stream_gain", 1)
        if block["attention"] != "none":
            inside = prefix if self.spec["family"] == "cswin" else prefix + "attn."
            branch, keys = self.attention(self.norm(x, prefix + "norm1"), block, inside, grid, before, sizes)
            y = y + branch * self.weights.get(prefix + "ls1.gamma", 1)
            if block.get("merge"):
                y, sizes = self.merge(y, keys, before, block["merge"], np.ones(len(y)) if sizes is None else sizes)
        y = y + self.mlp(self.norm(y, prefix + "norm2"), prefix + "mlp.", grid) * self.weights.get(prefix + "ls2.gamma", 1)
        return y, sizes

    def __call__(self, image):
        return self.vit(image) if self.spec["family"] == "vit" else self.stages(image)

    def vit(self, image):
        spec, w = self.spec, self.weights
        planes = self.convolution(image, "patch_embed.proj", spec["patch_size"])
        grid, patches = planes.shape[1:], planes.reshape(planes.shape[0], -1).T
        first = [w[name][0] for name in ("cls_token", "dist_token", "reg_token") if name in w]
        before = sum(map(len, first))
        if spec["embed_prefix_tokens"]:
            x = np.concatenate([*first, patches]) + w["pos_embed"][0]
        else:
            x = np.concatenate([*first, patches + w["pos_embed"][0]])
        if spec["pre_norm"]:
            x = self.norm(x, "norm_pre")
        sizes = None
        for i, block in enumerate(spec["blocks"]):
            x, sizes = self.block(x, block, f"blocks.{i}.", grid, before, sizes)
        if spec["final_norm"]:
            x = self.norm(x, "norm")
        weights = (np.ones(len(x)) if sizes is None else sizes)[before:]
        mean = (x[before:] * weights[:, None]).sum(0) / weights.sum()
        if spec["pooling"] == "average":
            seen = mean
        else:
            seen = x[0] if spec["pooling"] == "token" else np.concatenate([x[0], mean])
        if spec["fc_norm"]:
            seen = self.norm(seen, "fc_norm")
        logits = self.linear(seen, "head")
        return (logits + self.linear(x[1], "head_dist")) / 2 if spec["distillation_token"] else logits

    def enter(self, stage, x, grid):
        """From the image, or the last stage's tokens on its map, to this stage's tokens."""
        family = self.spec["family"]
        planes = x if stage == 0 else x.T.reshape(-1, *grid)

        def tokens(planes):
            return planes.reshape(planes.shape[0], -1).T

        if family in ("swin", "flatten_swin"):
            if stage == 0:
                return self.norm(tokens(self.convolution(x, "patch_embed.proj", self.spec["patch_size"])), "patch_embed.norm")
            name = f"layers.{stage - (family == 'flatten_swin')}.downsample."
            four = [planes[:, dy::2, dx::2] for dx in (0, 1) for dy in (0, 1)]
            return self.linear(self.norm(tokens(np.concatenate(four)), name + "norm"), name + "reduction")
        if family == "cswin":
            if stage == 0:
                return self.norm(tokens(self.convolution(x, "stage1_conv_embed.0", self.spec["patch_size"], 2)), "stage1_conv_embed.2")
            return self.norm(tokens(self.convolution(planes, f"merge{stage}.conv", 2, 1)), f"merge{stage}.norm")
        name, stride = f"patch_embed{stage + 1}.", 2 if stage else self.spec["patch_size"]
        if family == "pvt_v2":
            return self.norm(tokens(self.convolution(planes, name + "proj", stride, 1 if stage else 3)), name + "norm")
        return self.norm(tokens(self.convolution(planes, name + "proj", stride)), name + "norm") + self.weights[f"pos_embed{stage + 1}"][0]

    def stages(self, image):
        x, grid, at, family = image, None, 0, self.spec["family"]
        for s, stage in enumerate(self.spec["stages"]):
            x = self.enter(s, x, grid)
            grid = tuple(side // self.spec["patch_size"] >> s for side in self.spec["image_size"])
            for j in range(stage["depth"]):
                prefix = {"swin": f"layers.{s}.blocks.{j}.", "flatten_swin": f"layers.{s}.blocks.{j}.", "cswin": f"stage{s + 1}.{j}."}.get(family, f"block{s + 1}.{j}.")
                x, _ = self.block(x, self.spec["blocks"][at], prefix, grid)
                at += 1
            if family == "pvt_v2":
                x = self.norm(x, f"norm{s + 1}")
        if family in ("swin", "flatten_swin", "cswin"):
            x = self.norm(x, "norm")
        return self.linear(x.mean(0), "head.fc" if family == "swin" else "head")
