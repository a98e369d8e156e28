"""foreign_checkpoints.py VITRIM MODEL_OUTPUTS: every case of tests/model/foreign_models.py, made anew, and every ViT of timm at a small size.

Either vitrim's answer is the library's, or vitrim says in one sentence what the model has that it has not; an answer that differs is a failure, and so is
a refusal of a model that it should read.
"""

import collections
import json
import math
import os
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "model"))
import foreign_models
import PIL.Image
import timm
import torch
import transformers
from safetensors import safe_open
from safetensors.torch import save_file

vitrim, model_outputs = sys.argv[1:3]
failures = []

# What timm's architectures have that vitrim does not support, as its messages say it, and how they are called.
REASONS = {
    "rotary embeddings": r"rope|eva02|dinov3|lingbot|sapiens|vit_pe_",
    "by attention": r"siglip_\d|reg4_map|test_vit3|vit_pe_core",
    "RMSNorm": r"test_vit4|aimv2",
    "sub-LN": r"beit3|eva02_(base|large)",
    "parallel branches": r"18x2|_xp_|pwee",
    "norms after the branches": r"_rpn_",
    "differential attention": r"dlittle|dwee",
}


def tolerance(blocks):
    """Rounding of float32: 8 sums of at most 192 products a block, on both sides, enlarged eightfold by the network."""
    return 2 * 8 * 2.0**-24 * math.sqrt(192 * (3 + 8 * blocks))


def answers(folders, side):
    """What vitrim answers for each folder: its tensors, or a sentence."""
    out = []
    with tempfile.TemporaryDirectory() as work:
        save_file({"input": foreign_models.fixed_input(side)}, f"{work}/input.safetensors")
        pairs = [(folder, f"{work}/{number}.safetensors") for number, folder in enumerate(folders)]
        subprocess.run([model_outputs, f"{work}/input.safetensors", *(str(word) for pair in pairs for word in pair)], check=True)
        for _, file in pairs:
            with safe_open(file, "pt") as opened:
                metadata = opened.metadata() or {}
                out.append(metadata.get("error") or {key: opened.get_tensor(key) for key in opened.keys()})
    return out


def difference(got, wanted):
    if got.shape != wanted.shape:
        return math.inf
    return ((got - wanted).abs().max() / wanted.abs().max()).item()


def check(name, got, wanted, blocks=4):
    """True where vitrim answered and answered right."""
    if isinstance(got, str):
        failures.append(f"{name} was refused: {got}")
        return False
    for key, tensor in wanted.items():
        error = difference(got[key], tensor) if key in got else math.inf
        if not error < tolerance(blocks):
            failures.append(f"{name}: {key} is off by {error:.2g}, more than {tolerance(blocks):.2g}")
            return False
    return True


def check_cases(root):
    by_side = collections.defaultdict(list)
    for case in foreign_models.cases():
        by_side[case.side].append((case, foreign_models.write(case, root / case.name)))
    right = 0
    for side, written in by_side.items():
        for (case, folder), got in zip(written, answers([folder for _, folder in written], side)):
            right += check(case.name, got, case.outputs())
            seen = subprocess.run([vitrim, "inspect", str(folder)], capture_output=True, text=True)
            if seen.returncode != 0 or "names of tensors" not in seen.stdout:
                failures.append(f"{case.name}: vitrim inspect gave {seen.returncode}, {seen.stderr.strip()}")
    print(f"{right} models of foreign_models.py answer as their libraries do")


def small_timm(architecture):
    """The architecture with few and narrow layers, or None where timm can't."""
    # Maps of 4 x 4 (or 2 x 2) tokens, patches of 8 as everywhere here.
    try:
        model = timm.create_model(architecture, pretrained=False, img_size=32, patch_size=8, embed_dim=32, depth=2, num_heads=2, num_classes=5)
    except (RuntimeError, TypeError, ValueError, AssertionError, AttributeError, KeyError):
        return None
    return foreign_models.lively(model, 1)


def check_timm(root):
    modules = ("timm.models.vision_transformer", "timm.models.deit", "timm.models.eva")
    written, skipped = [], []
    for architecture in timm.list_models():
        if timm.model_entrypoint(architecture).__module__ not in modules:
            continue
        model = small_timm(architecture)
        if model is None:
            skipped.append(architecture)
            continue
        folder = root / "timm" / architecture
        folder.mkdir(parents=True)
        timm.models._hub.save_for_hf(model, folder, safe_serialization=True)
        with torch.no_grad():
            out = model(foreign_models.fixed_input())
        written.append((architecture, folder, {"logits" if model.num_classes > 0 else "features": out}))
    right, refused = 0, collections.Counter()
    for (architecture, _, wanted), got in zip(written, answers([folder for _, folder, _ in written], 32)):
        reason = next((words for words in REASONS if isinstance(got, str) and words in got), None)
        if reason and re.search(REASONS[reason], architecture):
            refused[reason] += 1
            if "\n" in got:
                failures.append(f"{architecture}: the refusal is more than one sentence: {got}")
        else:
            right += check("timm's " + architecture, got, wanted)
    print(f"{right} architectures of timm answer as timm does; refused: " + ", ".join(f"{count} ({reason})" for reason, count in refused.items()) +
          f"; not made at this size: {', '.join(skipped)}")
    if right < 100:
        failures.append(f"only {right} of timm's ViTs were read")


def check_heads(root):
    """One block of every ViT of timm at its true width (each tensor repeats one number): by config.json's name the heads are timm's, without it they are, or are a guess or a question."""
    modules = ("timm.models.vision_transformer", "timm.models.deit", "timm.models.eva")
    named, shaped, guessed = 0, 0, 0
    for architecture in timm.list_models():
        if timm.model_entrypoint(architecture).__module__ not in modules:
            continue
        try:
            with torch.device("meta"):
                model = timm.create_model(architecture, pretrained=False, depth=1, num_classes=5)
            heads = model.blocks[0].attn.num_heads
        except (RuntimeError, TypeError, ValueError, AssertionError, AttributeError, KeyError, NotImplementedError):
            continue
        folder = root / "heads" / architecture
        folder.mkdir(parents=True)
        tensors = {name: tensor.shape for name, tensor in model.state_dict().items() if tensor.dim()}
        # All tensors share one storage. The reader refuses tensors that are more than 16 times as large as what is stored.
        stored = sum(shape.numel() for shape in tensors.values()) // 16 + 1
        number = torch.full((stored,), 0.01, dtype=torch.float16)[:1]
        torch.save({name: number.expand(shape) for name, shape in tensors.items()}, folder / "model.pth")
        config = {"architecture": architecture, "num_classes": 5, "global_pool": model.global_pool, "pretrained_cfg": {"input_size": model.pretrained_cfg["input_size"]}}

        def inspected():
            done = subprocess.run([vitrim, "inspect", str(folder / "model.pth"), "--json", "-"], capture_output=True, text=True, check=False)
            return json.loads(done.stdout) if done.returncode == 0 else done.stderr

        (folder / "config.json").write_text(json.dumps(config))
        out = inspected()
        if isinstance(out, str):
            if not any(words in out for words in (*REASONS, "cosine attention", "attention ('map')")):
                failures.append(f"{architecture}: refused beside its config.json: {out}")
            continue
        if out["blocks"][0]["num_heads"] != heads or any(one["field"] == "num_heads" for one in out["assumed"]):
            failures.append(f"{architecture}: {out['blocks'][0]['num_heads']} heads by its name, timm has {heads}")
        named += 1
        (folder / "config.json").unlink()
        out = inspected()
        if isinstance(out, str):
            guessed += 1
        elif out["blocks"][0]["num_heads"] == heads:
            shaped += 1
        elif any(one["field"] == "num_heads" and one["guess"] for one in out["assumed"]):
            guessed += 1
        else:
            failures.append(f"{architecture}: {out['blocks'][0]['num_heads']} heads by its shape and no word, timm has {heads}")
        (folder / "model.pth").unlink()
    print(f"heads of {named} architectures of timm are right by name, {shaped} of them by shape too; {guessed} are asked for or told to be a guess")
    if named < 100:
        failures.append(f"only {named} of timm's ViTs were read by name")


def picture(seed):
    """Smooth colours and edges, wider than high or higher than wide."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 6, 5, generator=generator)
    height, width = (90, 61) if seed % 2 else (57, 96)
    smooth = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic").clamp(0, 1)
    smooth[:, :, height // 3 : height // 2] = smooth[:, :, height // 3 : height // 2].flip(3)
    return PIL.Image.fromarray((smooth[0].permute(1, 2, 0) * 255).round().byte().numpy())


def check_preprocessing(root):
    """Pictures lie in the folders of the classes that the library's own processor and model say: vitrim eval finds every one."""
    for kind, settings in (("ViTImageProcessorPil", foreign_models.VIT_PROCESSOR), ("CLIPImageProcessorPil", foreign_models.CLIP_PROCESSOR)):
        sizes = {**foreign_models.SIZES, "num_hidden_layers": 1}
        model = transformers.ViTForImageClassification(transformers.ViTConfig(**sizes, num_labels=12))
        case = foreign_models.of_transformers("processed_" + kind, model, processor=settings)
        folder = foreign_models.write(case, root / kind)
        pictures = [picture(seed) for seed in range(60)]
        with torch.no_grad():
            pixels = getattr(transformers, kind).from_pretrained(folder)(pictures, return_tensors="pt")["pixel_values"]
            model.classifier.bias -= model(pixels).logits.mean(0)  # so that no class is everyone's
            logits = model(pixels).logits
        foreign_models.write(case, folder)
        top = logits.topk(2).values
        # Processors may round a pixel by one of 255 otherwise: pictures between two classes say nothing.
        clear = (top[:, 0] - top[:, 1]) > 0.02 * logits.std()
        images, labels = root / (kind + "_images"), logits.argmax(1).tolist()
        (root / "classes.txt").write_text("".join(f"{number:02}\n" for number in range(12)))
        for seed, (image, label) in enumerate(zip(pictures, labels)):
            if clear[seed]:
                (images / f"{label:02}").mkdir(parents=True, exist_ok=True)
                image.save(images / f"{label:02}" / f"{seed}.png")

        def evaluated(*flags):
            command = [vitrim, "eval", str(folder), "--data", str(images), "--classes", str(root / "classes.txt"), "--precision", "f32", "--json", "-", *flags]
            return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

        found, otherwise = evaluated(), evaluated("--resize", "50")
        print(f"{kind}: of {found['images']} pictures of {len(set(labels))} classes {found['top1']:.1%} are classified as transformers classifies them, " +
              f"{otherwise['top1']:.1%} where they are resized otherwise")
        if not (found["top1"] == 1 and found["images"] >= 45 and len(set(labels)) >= 6 and otherwise["top1"] < 0.95):
            failures.append(kind + ": images are not prepared as the processor prepares them")


with tempfile.TemporaryDirectory() as temporary:
    os.environ["OMP_WAIT_POLICY"] = "passive"
    check_cases(pathlib.Path(temporary))
    check_preprocessing(pathlib.Path(temporary))
    check_timm(pathlib.Path(temporary))
    check_heads(pathlib.Path(temporary))
for failure in failures:
    print("FAILED:", failure)
sys.exit(bool(failures))
