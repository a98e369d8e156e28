"""Loads models by their name on a model hub."""

import os
from typing import Any, Optional

from .blocks import Model
from .checkpoint import PathLike, load
from .errors import Error

_FILES = ["model.safetensors", "config.json", "preprocessor_config.json"]


def from_pretrained(name: PathLike, *, revision: Optional[str] = None, cache_dir: Optional[str] = None, local_files_only: bool = False, token: Any = None, **options: Any) -> Model:
    """The module of a model on the Hugging Face hub ("owner/name"), in its local cache, or in a local file or folder.

    A file or folder of that name takes precedence. Otherwise huggingface_hub downloads what the cache lacks. Raises vitrim.Error, with the remedy, if
    huggingface_hub is not installed, or if the network or the model can't be reached and the model is not in the cache. `revision` is a branch, tag
    or commit; `options` are those of vitrim.load (num_classes, drop_path_rate, weights).
    """
    path = os.path.expanduser(os.fsdecode(name))
    if os.path.exists(path):
        return load(path, **options)
    if path.count("/") != 1 or path.startswith((".", "/")) or path.endswith((".safetensors", ".pth", ".pt")):
        raise Error(f"{path}: there is no such file or folder, and it is not an id of a model on a hub (owner/name)")
    return load(_snapshot(path, revision, cache_dir, local_files_only, token), **options)


def _snapshot(name: str, revision: Optional[str], cache_dir: Optional[str], local_files_only: bool, token: Any) -> str:
    """The folder of the cache that contains the model's files."""
    try:
        import huggingface_hub
    except ModuleNotFoundError:
        cached = _cached(name, revision, cache_dir)
        if cached is None:
            raise Error(f"{name}: this model is not in the local cache ({_cache(cache_dir)}), and the package that downloads it is missing: pip install huggingface_hub") from None
        return cached
    options = {"revision": revision, "cache_dir": cache_dir, "token": token, "allow_patterns": _FILES}
    try:
        return huggingface_hub.snapshot_download(name, local_files_only=local_files_only, **options)
    except Exception as error:  # of the network and of the hub, of a dozen classes
        cached = _cached(name, revision, cache_dir)
        if cached is not None:
            return cached
        reason = str(error).strip().split("\n", 1)[0] or type(error).__name__
        raise Error(f"{name}: not in the local cache ({_cache(cache_dir)}), and it could not be downloaded: {reason}") from error


def _cache(cache_dir: Optional[str]) -> str:
    """The folder of the local cache, found by the rules of huggingface_hub."""
    if cache_dir is not None:
        return os.path.expanduser(cache_dir)
    home = os.environ.get("HF_HOME") or os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")
    return os.path.expanduser(os.environ.get("HF_HUB_CACHE") or os.path.join(home, "hub"))


def _cached(name: str, revision: Optional[str], cache_dir: Optional[str]) -> Optional[str]:
    """The snapshot in the cache, if it contains weights."""
    folder = os.path.join(_cache(cache_dir), "models--" + name.replace("/", "--"))
    commit = revision or "main"
    reference = os.path.join(folder, "refs", commit)
    if os.path.isfile(reference):
        with open(reference, encoding="utf-8") as file:
            commit = file.read().strip()
    snapshot = os.path.join(folder, "snapshots", commit)
    return snapshot if os.path.isfile(os.path.join(snapshot, "model.safetensors")) else None
