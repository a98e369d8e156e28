#!/usr/bin/env bash
# `pip install ./python` into a fresh environment that sees the torch that vitrim links: load, compress on real images, torch.export and torch.compile of
# every family, and a model in timm's hands (registry, optimizer's parameter groups, data configuration, EMA, a few steps of training).
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
peers=${VITRIM_PEERS_PYTHON:-$root/.venv-peers/bin/python}
[ -d "$VITRIM_SHARED/data" ] || exit 77
"$peers" -c 'from importlib.util import find_spec as f; raise SystemExit(not all(map(f, ("torch", "timm", "safetensors", "numpy"))))' ||
  { echo "SKIPPED: $peers has not all of torch, timm, safetensors and numpy"; exit 77; }
export OMP_WAIT_POLICY=passive
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A fresh environment beside the peers' one, whose libraries (torch, timm) it sees.
"$peers" -m venv "$work/venv"
python=$work/venv/bin/python
site=$("$python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
"$peers" -c 'import sysconfig, torch, os; print(sysconfig.get_paths()["purelib"]); print(os.path.dirname(os.path.dirname(torch.__file__)))' >"$site/elsewhere.pth"
if ! "$python" -m pip download -q --disable-pip-version-check --no-deps -d "$work" 'scikit-build-core>=0.10' 2>"$work/pip.txt"; then
  echo "SKIPPED: pip cannot get scikit-build-core: $(tail -1 "$work/pip.txt")"
  exit 77
fi
# As a user does it, once with the C++ library and once without.
VITRIM_PYTHON_ONLY=1 "$python" -m pip install -q --disable-pip-version-check "$root/python"
(cd "$work" && "$python" - "$root/models/synthetic_vit.safetensors" <<'PY'
import sys, torch, vitrim
from vitrim import native
model = vitrim.load(sys.argv[1])
assert model(torch.zeros(1, 3, *model.spec.image_size)).shape == (1, 10) and not native.available()
PY
)
"$python" -m pip install -q --disable-pip-version-check --force-reinstall --no-deps "$root/python"
cp "$root/tests/full/torchvision_operators.py" "$site/sitecustomize.py"
cd "$work"
"$python" - "$VITRIM_SHARED" <<'PY'
import sys
import numpy as np
import timm.data
import timm.loss
import timm.models
import timm.optim
import timm.scheduler
import timm.utils
import torch
import vitrim
import vitrim.timm_models
from safetensors import safe_open

shared = sys.argv[1]
source = f"{shared}/data/vit_tiny_imagenet1k/model.safetensors"
golden = safe_open(f"{shared}/golden/vit_tiny_imagenet.safetensors", "pt")

# The published checkpoint, which holds no vitrim metadata, against timm's own logits.
dense = vitrim.load(source)
images = golden.get_tensor("images_u8")
with torch.no_grad():
    logits = dense((images.float() / 255 - 0.5) / 0.5)
wanted = golden.get_tensor("logits_dense")
error = ((logits - wanted).abs().max() / wanted.abs().max()).item()
print(f"dense logits against timm's: relative error {error:.1e}")
assert error < 2 * 2**-24 * (768 * 99) ** 0.5 * 4  # two programs round; 99 sums of at most 768 products, enlarged fourfold

# Real images as an array, the compressed model as file and module.
result = vitrim.compress(dense, images, remove_attention=[1], absorb=False, mean=0.5, std=0.5, output="cut.safetensors", progress=False)
vitrim.merge("cut.safetensors", r=8, output="merged.safetensors", progress=False)
merged = vitrim.load("merged.safetensors")
engine = vitrim.Engine(merged, precision="f32")
x = ((images.float() / 255 - 0.5) / 0.5).numpy()
with torch.no_grad():
    module_logits = merged(torch.from_numpy(x))
agree = (torch.from_numpy(engine(x)).argmax(1) == module_logits.argmax(1)).float().mean().item()
error = np.abs(engine(x) - module_logits.numpy()).max() / module_logits.abs().max().item()
print(f"engine against module, merged: relative error {error:.1e}, same prediction on {agree:.0%}")
assert agree == 1 and error < 1e-3  # two tokens almost equally alike may merge in another order; logits then differ by more than rounding

# timm: registry, data configuration, parameter groups, EMA, loss, scheduler; a few steps bring the loss down.
torch.manual_seed(0)
model = timm.create_model("vitrim", checkpoint="merged.safetensors", num_classes=5, drop_path_rate=0.1)
config = timm.data.resolve_model_data_config(model)
assert config["input_size"] == (3, 224, 224), config
optimizer = timm.optim.create_optimizer_v2(model, opt="adamw", lr=5e-4, weight_decay=0.05, layer_decay=0.75)
plain = timm.optim.create_optimizer_v2(model, opt="adamw", lr=5e-4, weight_decay=0.05)
undecayed = {id(p) for group in plain.param_groups if group["weight_decay"] == 0 for p in group["params"]}
assert id(model.pos_embed) in undecayed and id(model.cls_token) in undecayed and id(model.head.weight) not in undecayed
scheduler, _ = timm.scheduler.create_scheduler_v2(optimizer, num_epochs=5, warmup_epochs=0)
ema = timm.utils.ModelEmaV3(model, decay=0.9)
criterion = timm.loss.LabelSmoothingCrossEntropy(0.1)
model.set_grad_checkpointing(True)
model.train()
inputs, labels = torch.from_numpy(x), torch.arange(16) % 5
losses = []
for epoch in range(5):
    loss = criterion(model(inputs), labels)
    optimizer.zero_grad()
    loss.backward()
    timm.utils.dispatch_clip_grad(model.parameters(), 1.0)
    optimizer.step()
    ema.update(model)
    scheduler.step(epoch + 1)
    losses.append(loss.item())
print("training losses", [round(value, 3) for value in losses])
assert losses[-1] < losses[0] - 0.1
vitrim.save(ema.module, "tuned.safetensors")
result = vitrim.evaluate("tuned.safetensors", images, labels, mean=0.5, std=0.5, progress=False)
assert result.images == 16 and vitrim.load("tuned.safetensors").num_classes == 5
PY
# timm's script runner: a script that makes the model by its name.
printf 'import sys, timm\nprint(type(timm.create_model("vitrim", checkpoint=sys.argv[1])).__name__)\n' >script.py
[ "$("$python" -W error::UserWarning -m vitrim.timm_models script.py tuned.safetensors 2>script.txt)" = VisionTransformer ] || { cat script.txt; exit 1; }
VITRIM_FULL=1 VITRIM_PEERS_PYTHON=$python VITRIM_PYTHON_PACKAGE=$site PYTHONDONTWRITEBYTECODE=1 OMP_WAIT_POLICY=passive "$python" "$root/python/tests/load_test.py" Tools
