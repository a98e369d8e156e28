"""Small random models of transformers and timm, saved as these libraries save them, with what they answer to a fixed input.

    .venv-peers/bin/python tests/model/foreign_models.py

writes tests/model/fixtures/ (a folder a model: model.safetensors and the files beside it, expected.safetensors), which
tests/model/foreign_test.cpp reads; tests/full/foreign_checkpoints.py makes all of them anew.
"""

import collections
import json
import math
import os
import pathlib
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
import torch

# timm asks for torchvision only for these two operators, which no model here calls.
library = torch.library.Library("torchvision", "DEF")
for operator in ("nms", "qnms"):
    try:
        library.define(operator + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    except RuntimeError:
        pass
import timm
import timm.models._hub
import transformers
from safetensors.torch import save_file

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

# name; save(folder); outputs(x) -> tensors that vitrim must give too; whether it is kept in fixtures/
Case = collections.namedtuple("Case", "name save outputs side kept")


def lively(model, seed):
    """Weights at which every branch matters: matrices of gain 1, norms and layer scales off 1, biases off 0."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in model.named_parameters():
            random = torch.randn(value.shape, generator=generator)
            if "gamma" in name or "lambda1" in name:
                value.copy_(0.6 + 0.1 * random)
            elif value.dim() == 1 and name.endswith("weight"):
                value.copy_(1 + 0.1 * random)
            elif name.endswith("bias"):
                value.copy_(0.1 * random)
            elif name.endswith("weight") and value.dim() > 1 and "position" not in name:
                value.copy_(random / math.sqrt(value[0].numel()))
            else:  # tokens and positions
                value.copy_(0.5 * random)
    return model.eval()


def fixed_input(side=32, count=2):
    generator = torch.Generator().manual_seed(7)
    coarse = torch.randn(count, 3, 4, 4, generator=generator)
    return torch.nn.functional.interpolate(coarse, size=(side, side), mode="nearest") + 0.1 * torch.randn(count, 3, side, side, generator=generator)


def answer_of(model, side):
    with torch.no_grad():
        return model(fixed_input(side))


SIZES = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=40, image_size=32, patch_size=8)
NAMES = {0: "cat", 1: "dog", 2: "bird, sitting", 3: "fish", 4: "tree"}
LABELS = dict(id2label=NAMES, label2id={name: number for number, name in NAMES.items()})
# As the processors of the published checkpoints write it.
VIT_PROCESSOR = dict(do_normalize=True, do_rescale=True, do_resize=True, image_mean=[0.5, 0.5, 0.5], image_std=[0.5, 0.5, 0.5],
                     image_processor_type="ViTImageProcessor", resample=2, rescale_factor=1 / 255, size=dict(height=32, width=32))
CLIP_PROCESSOR = dict(crop_size=dict(height=32, width=32), do_center_crop=True, do_convert_rgb=True, do_normalize=True, do_rescale=True, do_resize=True,
                      image_mean=[0.48145466, 0.4578275, 0.40821073], image_processor_type="CLIPImageProcessor",
                      image_std=[0.26862954, 0.26130258, 0.27577711], resample=3, rescale_factor=1 / 255, size=dict(shortest_edge=36))
LARGER_PROCESSOR = {**CLIP_PROCESSOR, "crop_size": dict(height=48, width=48), "size": dict(shortest_edge=54), "image_processor_type": "BitImageProcessor"}


def logits(model, side):
    return {"logits": answer_of(model, side).logits}


def first_token(model, side):
    return {"features": answer_of(model, side).last_hidden_state[:, 0]}


def pooled(model, side):
    return {"features": answer_of(model, side).pooler_output}


def two_heads(model, side):
    answer = answer_of(model, side)
    return {"logits": answer.logits, "head": answer.cls_logits, "head_dist": answer.distillation_logits}


def image_embedding(model, side):
    with torch.no_grad():
        return {"logits": model.visual_projection(model.vision_model(pixel_values=fixed_input(side)).pooler_output)}


def unmasked(model, side):
    """For a masked autoencoder: nothing masked, and the patches in order."""
    with torch.no_grad():
        return {"features": model.vit(fixed_input(side), noise=torch.arange(16.0).expand(2, 16)).last_hidden_state[:, 0]}


def of_transformers(name, model, outputs=logits, kept=False, processor=None, side=32, newer=False, **saving):
    lively(model, sum(map(ord, name)))

    def save(folder):
        model.save_pretrained(folder, **saving)
        if newer:  # the names that the models have in memory
            save_file({key: value.contiguous() for key, value in model.state_dict().items()}, folder / "model.safetensors", {"format": "pt"})
        if processor:
            (folder / "preprocessor_config.json").write_text(json.dumps(processor, indent=2))

    return Case(name, save, lambda: outputs(model, side), side, kept)


def transformers_cases():
    t = transformers
    vit, deit = t.ViTForImageClassification, t.DeiTForImageClassificationWithTeacher
    yield of_transformers("vit", vit(t.ViTConfig(**SIZES, **LABELS)), processor=VIT_PROCESSOR, kept=True)
    yield of_transformers("vit_newer_names", vit(t.ViTConfig(**SIZES, **LABELS)), newer=True)
    yield of_transformers("vit_sharded", vit(t.ViTConfig(**SIZES, **LABELS)), max_shard_size="12KB", processor=VIT_PROCESSOR, kept=True)
    yield of_transformers("vit_no_qkv_bias", vit(t.ViTConfig(**SIZES, qkv_bias=False)))
    yield of_transformers("vit_relu", vit(t.ViTConfig(**{**SIZES, "num_attention_heads": 4}, hidden_act="relu")))
    yield of_transformers("vit_model", t.ViTModel(t.ViTConfig(**SIZES)), first_token, kept=True)
    yield of_transformers("deit_distilled", deit(t.DeiTConfig(**SIZES, **LABELS)), two_heads, kept=True)
    yield of_transformers("deit_distilled_newer_names", deit(t.DeiTConfig(**SIZES, **LABELS)), two_heads, newer=True)
    yield of_transformers("deit_one_head", t.DeiTForImageClassification(t.DeiTConfig(**SIZES, **LABELS)), kept=True)
    yield of_transformers("deit_model", t.DeiTModel(t.DeiTConfig(**SIZES)), first_token)
    swin = dict(image_size=32, patch_size=2, embed_dim=8, depths=[2, 2], num_heads=[1, 2], window_size=4, mlp_ratio=2.0)
    yield of_transformers("swin", t.SwinForImageClassification(t.SwinConfig(**swin, **LABELS)), processor=VIT_PROCESSOR, kept=True)
    yield of_transformers("swin_newer_names", t.SwinForImageClassification(t.SwinConfig(**swin, **LABELS)), newer=True)
    yield of_transformers("swin_model", t.SwinModel(t.SwinConfig(**swin)), pooled)
    dino = {**SIZES, "mlp_ratio": 2}
    yield of_transformers("dinov2", t.Dinov2ForImageClassification(t.Dinov2Config(**dino, **LABELS)), kept=True)
    yield of_transformers("dinov2_swiglu", t.Dinov2Model(t.Dinov2Config(**dino, use_swiglu_ffn=True)), first_token, kept=True)
    yield of_transformers("dinov2_swiglu_newer_names", t.Dinov2ForImageClassification(t.Dinov2Config(**dino, use_swiglu_ffn=True)), newer=True)
    registers = t.Dinov2WithRegistersConfig(**dino, **LABELS)
    yield of_transformers("dinov2_registers", t.Dinov2WithRegistersForImageClassification(registers), kept=True)
    yield of_transformers("dinov2_registers_model", t.Dinov2WithRegistersModel(registers), first_token)
    # Positions of a 4 x 4 map, images for one of 6 x 6.
    yield of_transformers("dinov2_larger", t.Dinov2Model(t.Dinov2Config(**dino)), first_token, processor=LARGER_PROCESSOR, side=48)
    yield of_transformers("dinov2_registers_larger", t.Dinov2WithRegistersModel(registers), first_token, processor=LARGER_PROCESSOR, side=48)
    vision = t.CLIPVisionConfig(**SIZES, projection_dim=12)
    yield of_transformers("clip_vision", t.CLIPVisionModel(vision), pooled)
    yield of_transformers("clip_projection", t.CLIPVisionModelWithProjection(vision), lambda m, side: {"logits": answer_of(m, side).image_embeds},
                          processor=CLIP_PROCESSOR, kept=True)
    text = dict(hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, vocab_size=20, max_position_embeddings=8)
    yield of_transformers("clip", t.CLIPModel(t.CLIPConfig(vision_config=SIZES, projection_dim=12, text_config=text)), image_embedding)
    yield of_transformers("clip_classification", t.CLIPForImageClassification(t.CLIPConfig(vision_config=SIZES, **LABELS)))
    yield of_transformers("siglip_classification", t.SiglipForImageClassification(t.SiglipConfig(vision_config=SIZES, **LABELS)))
    decoder = dict(decoder_num_hidden_layers=1, decoder_hidden_size=8, decoder_num_attention_heads=2, decoder_intermediate_size=8)
    yield of_transformers("vit_mae", t.ViTMAEForPreTraining(t.ViTMAEConfig(**SIZES, **decoder, mask_ratio=0.0)), unmasked, kept=True)


def of_timm(name, architecture, kept=False, side=32, **arguments):
    arguments = dict(dict(embed_dim=16, depth=2, num_heads=2, img_size=side, patch_size=8, num_classes=5, mlp_ratio=2), **arguments)
    arguments = {key: value for key, value in arguments.items() if value is not None}
    model = lively(timm.create_model(architecture, pretrained=False, **arguments), sum(map(ord, name)))

    def save(folder):
        labels = dict(label_names=list(NAMES.values())) if model.num_classes == len(NAMES) else None
        timm.models._hub.save_for_hf(model, folder, safe_serialization=True, model_config=labels)

    return Case(name, save, lambda: {"logits" if model.num_classes > 0 else "features": answer_of(model, side)}, side, kept)


def timm_cases():
    yield of_timm("timm_vit", "vit_base_patch16_224")
    yield of_timm("timm_no_qkv_bias", "vit_medium_patch16_gap_256")
    yield of_timm("timm_qk_norm", "vit_small_patch16_224", qk_norm=True, init_values=1e-4)
    yield of_timm("timm_deit3", "deit3_small_patch16_224")
    yield of_timm("timm_distilled", "deit_tiny_distilled_patch16_224")
    yield of_timm("timm_registers_gap", "vit_medium_patch16_reg4_gap_256")
    yield of_timm("timm_dinov2_giant", "vit_giant_patch14_dinov2", num_classes=0, kept=True)
    yield of_timm("timm_dinov2_registers", "vit_base_patch14_reg4_dinov2", num_classes=0)
    yield of_timm("timm_clip_quickgelu", "vit_base_patch16_clip_quickgelu_224", kept=True)
    yield of_timm("timm_clip", "vit_base_patch16_clip_224")
    yield of_timm("timm_siglip_gap", "vit_so400m_patch16_siglip_gap_256")
    yield of_timm("timm_eva_giant", "eva_giant_patch14_224", kept=True)
    yield of_timm("timm_swin", "swin_tiny_patch4_window7_224", embed_dim=8, depth=None, depths=(2, 2), num_heads=(1, 2), window_size=4, patch_size=2)


def cases():
    yield from transformers_cases()
    yield from timm_cases()


def write(case, folder):
    """Saves a case with its outputs; returns the folder."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    case.save(folder)
    save_file({key: value.contiguous() for key, value in case.outputs().items()}, folder / "expected.safetensors")
    return folder


if __name__ == "__main__":
    target = pathlib.Path(__file__).parent / "fixtures"
    target.mkdir(exist_ok=True)
    save_file({"input": fixed_input()}, target / "input.safetensors")
    for one in cases():
        if one.kept:
            write(one, target / one.name)
    total = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
    print(f"{total} bytes in {target}", file=sys.stderr)
