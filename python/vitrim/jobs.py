"""compress, prune, merge, quantize, analyze and evaluate: the program's commands as functions. Each takes a model (a file, the name of a known architecture,
or a module from vitrim.load) and images, and returns the program's result document as a dict."""

import json
import math
import os
from typing import Any, Callable, Dict, Optional, Sequence, Union

from torch import nn

from . import native
from .blocks import Model
from .checkpoint import build
from .progress import Notifier, Progress
from .spec import ModelSpec


class Result(dict):
    """A result document, as the program writes with --json. result["paired"]["difference"] is also result.paired.difference."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the result has no '{name}'; it has {', '.join(self)}") from None


class CompressedResult(Result):
    """The result of a job that makes a model, with the model itself."""

    @property
    def module(self) -> Model:
        """The compressed model as a new PyTorch module for every call."""
        spec, state = native.taken(self._model)
        return build(spec, state)


def _document(text: str, kind=Result):
    return kind(json.loads(text, object_hook=Result))


def _three(value: Any, name: str):
    values = [value] * 3 if isinstance(value, (int, float)) else [float(v) for v in value]
    if len(values) != 3:
        raise ValueError(f"{name} takes one number or three")
    if not all(math.isfinite(v) for v in values):
        raise ValueError(f"{name} must be finite")
    if name == "std" and not all(v > 0 for v in values):
        raise ValueError("std must be positive")
    return [float(v) for v in values]


def _preprocessing(spec: ModelSpec, name: str, size, settings: Dict[str, Any], resize: Any) -> Dict[str, Any]:
    """The preprocessing: the model's own, overridden by the given settings. Arrays of the model's image size are used without resizing."""
    mean, std = settings["mean"], settings["std"]
    if spec.preprocess is None and (mean is None or std is None):
        raise ValueError(f"{name} does not state how its images were normalised; pass mean and std (0.5 and 0.5 for timm's augreg ViTs, (0.485, 0.456, 0.406) and (0.229, 0.224, 0.225) for DeiT)")
    side = spec.image_size[0]
    if spec.image_size[0] != spec.image_size[1]:
        raise ValueError(f"the model takes images of {spec.image_size[0]} x {spec.image_size[1]} pixels; only square ones can be made from images")
    own = spec.preprocess
    out = {"mean": list(own.mean) if own else None, "std": list(own.std) if own else None, "resize": own.resize if own else side * 10 // 9, "crop": side,
           "interpolation": own.interpolation if own else "bicubic"}
    if size == (side, side):
        out["resize"] = None
    elif own is None and resize is None:
        native.warn([f"{native.printable(name)} does not state how its images were resized; assumed: short side to {out['resize']} pixels"
                     f"{'' if settings['interpolation'] is not None else ', bicubic'}; if that is wrong, state the right values with resize and interpolation"])
    if mean is not None:
        out["mean"] = _three(mean, "mean")
    if std is not None:
        out["std"] = _three(std, "std")
    if resize is not None:
        if resize != "none" and not isinstance(resize, int):
            raise ValueError("resize is the short side in pixels, or 'none'")
        out["resize"] = None if resize == "none" else resize
    if settings["interpolation"] is not None:
        out["interpolation"] = settings["interpolation"]
    return out


_SETTINGS = ("mean", "std", "resize", "interpolation", "classes", "class_order", "max_pixels", *native.HINTS, "precision", "seed", "threads", "batch_size", "max_corrupt", "progress")


class _Call:
    """One call of a job: the opened model and images, and the options that all jobs share."""

    def __init__(self, job: str, model: Any, settings: Dict[str, Any]):
        for name in settings:
            if name not in _SETTINGS:
                raise TypeError(f"{job}() got an unexpected keyword argument '{name}'")
        self.settings = {name: settings.get(name) for name in _SETTINGS}
        self.job, self.from_file = job, not isinstance(model, nn.Module)
        self.notify = Notifier(self.settings["progress"])
        self.stated = [f"--{name}" for name in ("resize", "interpolation") if self.settings[name] is not None]
        self.model, self.name = native.open_model(model, stated=self.stated, **{name: self.settings[name] for name in native.HINTS})
        self.spec = ModelSpec.from_json(self.model.spec)

    def _open(self, images: Any, labels: Any, labelled: bool):
        """Class folders matter only if labels are needed; if nothing else orders them, the model's class names do."""
        classes, order = (self.settings["classes"], self.settings["class_order"]) if labelled else (None, None)
        return native.open_images(images, labels, classes, class_order=order, class_names=self.spec.class_names, labelled=labelled, max_pixels=self.settings["max_pixels"])

    def images(self, images: Any, labels: Any = None, labelled: bool = False):
        """The images as the library holds them, and their preprocessing."""
        opened, size = self._open(images, labels, labelled)
        return opened, _preprocessing(self.spec, self.name, size, self.settings, self.settings["resize"])

    def reference(self, model: Any, images: Any):
        """Another model, its name, and the preprocessing of the same images for it."""
        opened, name = native.open_model(model, stated=self.stated)
        _, size = self._open(images, None, False)
        return opened, native.printable(name), _preprocessing(ModelSpec.from_json(opened.spec), name, size, self.settings, self.settings["resize"])

    def evaluation(self, images: Any, labels: Any, resize: Any):
        if images is None:
            if labels is not None:
                raise ValueError("eval_labels without eval images")
            return None, None
        opened, size = self._open(images, labels, True)
        return opened, _preprocessing(self.spec, self.name, size, self.settings, resize if resize is not None else self.settings["resize"])

    def options(self, **more: Any) -> Dict[str, Any]:
        shared = {name: self.settings[name] for name in ("precision", "seed", "threads", "batch_size", "max_corrupt")}
        told = ", ".join(f"{name}={value!r}" for name, value in more.items() if value is not None and not name.endswith("preprocess") and not callable(value))
        return {**shared, **more, "model": native.printable(self.name), "command": native.printable(f"vitrim.{self.job}({self.name!r}{', ' + told if told else ''})")}

    def run(self, function: Callable, *arguments: Any):
        with self.notify:
            return function(*arguments, self.notify)


def _check(command: str, **arguments: Any) -> None:
    """Raises ValueError if these arguments do not go together by the rules of the program's command; no work has begun then."""
    native.library().check_options(command, arguments)


def _check_output(output: Optional[Union[str, "os.PathLike[str]"]], dtype: str, model: Any) -> Optional[str]:
    """Checks before the long work that `output` can be written, and that it is not the file or folder of `model`. A path that ends in a slash, or an
    existing folder, becomes a folder as on model hubs."""
    if dtype not in ("same", "f32", "f16", "bf16"):
        raise ValueError(f"save_dtype must be same, f32, f16 or bf16, not '{dtype}'")
    if output is None:
        return None
    path = os.fsdecode(output)
    if not (path.endswith((".safetensors", "/")) or os.path.isdir(path)):
        raise ValueError(f"{path}: checkpoints are written as safetensors; end the name in .safetensors, or in / to write a folder")
    if isinstance(model, (str, bytes, os.PathLike)):
        read = os.path.expanduser(os.fsdecode(model))
        if os.path.exists(read) and (_same(path, read) or _same(path, os.path.dirname(read) or ".") or _same(path, os.path.join(read, "model.safetensors"))):
            raise ValueError(f"{path}: the output would replace the model {native.printable(read)}, which is read; name another file or folder")
    native.library().check_output(os.fsencode(path))
    return path


def _same(one: str, other: str) -> bool:
    return os.path.exists(one) and os.path.exists(other) and os.path.samefile(one, other)


def _finished(call: _Call, made, path: Optional[str], dtype: str) -> CompressedResult:
    model, text = made
    result = _document(text, CompressedResult)
    object.__setattr__(result, "_model", model)
    if path is not None:
        if dtype == "same":
            dtype = native.library().stored_dtype(os.fsencode(call.name), call.settings["weights"] or "") if call.from_file else "f32"
        result["output"] = path
        model.save_result(os.fsencode(path), dtype, text)  # not `result`, whose words may be no UTF-8
    return result


def analyze(model: Any, images: Any, *, remove: Union[None, int, str] = None, count: Optional[int] = None, criterion: str = "absorbed", search: str = "beam",
            beam_width: Optional[int] = None, estimator: str = "diagonal", mask: str = "drop", te_images: Optional[int] = None, both_criteria: bool = False, **settings: Any) -> Result:
    """Measures the entropy of every layer and the transfer entropy of every attention layer; with `remove` (3 or "25%") it also chooses the layers to
    remove. `count` is the number of images to use, spread over all. `settings` are those of docs/python.md (mean, std, seed, threads, progress, ...).

    `count` uses so many of the images, spread over all. `settings` are those of docs/python.md (mean, std, seed, threads, progress, ...).
    """
    call = _Call("analyze", model, settings)
    opened, preprocess = call.images(images)
    return _document(call.run(native.library().analyze, call.model, opened,
                              call.options(remove=_text(remove), images=count, criterion=criterion, search=search, beam_width=beam_width, estimator=estimator, mask=mask,
                                           te_images=te_images, both_criteria=both_criteria, preprocess=preprocess)))


def evaluate(model: Any, images: Any, labels: Any = None, *, knn: Optional[int] = None, probe: bool = False, train: Any = None, train_labels: Any = None,
             retrieval: bool = False, against: Any = None, neighbours: Optional[int] = None, count: Optional[int] = None, **settings: Any) -> Result:
    """Measures top-1, with its 95 % interval, and top-5 of a model on labelled images. The default precision is f32. `count` is the number of images to
    use, spread over all.

    For a model without a classifier, the features are evaluated. With labelled images `train`, they are classified by the votes of the `knn` nearest
    of these images (20 if only `train` is passed), or with `probe=True` by a linear classifier fitted to them. With `retrieval=True`, the result states
    how often the nearest `neighbours` (10) of an image are also its nearest ones by the features of the model `against`, usually the dense one. This
    needs no labels.
    """
    _check("eval", knn=knn, probe=probe, train=train, retrieval=retrieval, against=against, neighbours=neighbours)
    if train is None and train_labels is not None:
        raise ValueError("train_labels are those of the images train; pass both")
    call = _Call("evaluate", model, {"precision": "f32", **settings})
    opened, preprocess = call.images(images, None if retrieval else labels, labelled=not retrieval)
    gallery = None if train is None else call.images(train, train_labels, labelled=True)[0]
    reference, name, reference_preprocess = (None, None, None) if against is None else call.reference(against, images)
    options = call.options(knn=knn, probe=probe or None, neighbours=neighbours, images=count, against=name, preprocess=preprocess, eval_preprocess=reference_preprocess)
    return _document(call.run(native.library().evaluate, call.model, opened, gallery, reference, options))


def compress(model: Any, images: Any, *, remove: Union[None, int, str] = None, remove_attention: Optional[Sequence[int]] = None,
             static: Union[None, str, Sequence[int]] = None, output: Any = None, eval: Any = None,  # noqa: A002
             eval_labels: Any = None, eval_resize: Any = None, count: Optional[int] = None, save_dtype: str = "same", criterion: str = "absorbed", search: str = "beam",
             beam_width: Optional[int] = None, estimator: str = "diagonal", mask: str = "drop", te_images: Optional[int] = None, both_criteria: bool = False, absorb: bool = True,
             epochs: Optional[int] = None, learning_rate: Optional[float] = None, ridge: Optional[float] = None, cls_weight: Optional[float] = None, held_out: Optional[float] = None,
             flip: Optional[bool] = None, controls: bool = False, random_controls: Optional[int] = None, target_macs: Optional[str] = None, attention_macs: Optional[str] = None,
             target_params: Optional[str] = None, views: Optional[int] = None, distill_epochs: Optional[int] = None, memory: Optional[float] = None, quantize: bool = False, scope: Optional[str] = None, channels_by: Optional[str] = None, round: Optional[int] = None, without: Optional[str] = None,  # noqa: A002
             similarity: Optional[str] = None, begin_with: Optional[str] = None, score_images: Optional[int] = None, indicator_epochs: Optional[int] = None,
             indicator_rate: Optional[float] = None, temperature: Optional[float] = None, **settings: Any) -> CompressedResult:
    """Removes attention layers, or makes them static, and refits the MLPs to compensate, on unlabelled calibration images.

    `remove` is the number of layers (3 or "25%"), `remove_attention` lists them. `static` lists the layers whose attention becomes static
    ([0, 1, 3]), or is the number of layers that a search chooses among the remaining ones ("25%" or "best:3"). `target_macs`, `attention_macs` or
    `target_params` ("80%" or "4.5M") also prune channels; `scope` says which ("attention", "attention+mlp" or "mlp").

    After the fit, `views` passes refit the blocks on random crops of the images, and at most `distill_epochs` passes train the whole model towards
    the dense model's outputs. `memory` is the memory for the images and their activations in GiB (default: 3); images beyond it are used in crops
    only. `quantize=True` makes the linear layers of the result int8, calibrated on at most 200 of the images.

    With labelled `eval` images, both models are evaluated on them and compared in pairs. `output` is the checkpoint to write; result.module is the
    compressed model as a PyTorch module in any case. `vitrim compress --help` describes the other options; None means the default.

    Raises ValueError for values out of range and for arguments that exclude each other (a layer in both `static` and `remove_attention`, `views`
    with absorb=False, two targets), before any work; vitrim.Error for files that cannot be read or written.
    """
    given = dict(remove=_text(remove), remove_attention=None if remove_attention is None else [int(layer) for layer in remove_attention], static=_static(static),
                 criterion=criterion, search=search, beam_width=beam_width, estimator=estimator, mask=mask, te_images=te_images, both_criteria=both_criteria, absorb=absorb,
                 epochs=epochs, learning_rate=learning_rate, ridge=ridge, cls_weight=cls_weight, held_out=held_out, flip=flip, controls=controls, random_controls=random_controls,
                 target_macs=target_macs, attention_macs=attention_macs, target_params=target_params, views=views, distill_epochs=distill_epochs, memory=memory,
                 quantize=quantize or None, scope=scope, channels_by=channels_by, round=round, without=without, similarity=similarity, begin_with=begin_with,
                 score_images=score_images, indicator_epochs=indicator_epochs, indicator_rate=indicator_rate, temperature=temperature)
    targeted = any(target is not None for target in (target_macs, attention_macs, target_params))
    alone = targeted and all(given[name] is None for name in ("remove", "remove_attention", "static"))  # the program's --remove 0
    _check("compress", **{**given, "remove": "0" if alone else given["remove"]}, eval=eval, eval_resize=eval_resize)
    path = _check_output(output, save_dtype, model)
    call = _Call("compress", model, settings)
    opened, preprocess = call.images(images)
    evaluation, eval_preprocess = call.evaluation(eval, eval_labels, eval_resize)
    options = call.options(**given, images=count, preprocess=preprocess, eval_preprocess=eval_preprocess)
    return _finished(call, call.run(native.library().compress, call.model, opened, evaluation, options), path, save_dtype)


def prune(model: Any, images: Any, *, attention_macs: Optional[str] = None, target_macs: Optional[str] = None, target_params: Optional[str] = None,
          **options: Any) -> CompressedResult:
    """Removes channels from attention (and MLPs) until the target ("65%", "2.1G" or for parameters "4.5M") is met, and refits the layers that read them, on unlabelled
    images: `vitrim prune --few-shot`. Accepts the options of compress() except those that choose layers."""
    for name in ("remove", "remove_attention", "static", "criterion", "search", "controls"):
        if name in options:
            raise TypeError(f"prune() got an unexpected keyword argument '{name}'")
    _check("prune", attention_macs=attention_macs, target_macs=target_macs, target_params=target_params)
    return compress(model, images, attention_macs=attention_macs, target_macs=target_macs, target_params=target_params, **options)


def merge(model: Any, *, r: Optional[int] = None, schedule: Optional[str] = None, target_macs: Optional[str] = None, start: int = 0, choose: bool = False, step: Optional[int] = None,
          images: Any = None, count: Optional[int] = 64, output: Any = None, eval: Any = None, eval_labels: Any = None, eval_resize: Any = None,  # noqa: A002
          save_dtype: str = "same", **settings: Any) -> CompressedResult:
    """Merges the most similar tokens after the attention of every block: `r` pairs, a schedule ("1:24" or "8,8,0,16"), or the smallest number that
    brings the model to `target_macs`; with `choose`, in the blocks where it costs least on `images`."""
    _check("merge", r=r, schedule=schedule, target_macs=target_macs, start=start, choose=choose, images=images, eval=eval, eval_resize=eval_resize)
    path = _check_output(output, save_dtype, model)
    call = _Call("merge", model, settings)
    opened, preprocess = (None, None) if images is None else call.images(images)
    evaluation, eval_preprocess = call.evaluation(eval, eval_labels, eval_resize)
    options = call.options(schedule=f"{start}:{r}" if r is not None else schedule, target_macs=target_macs, start=None if r is not None else start or None, choose=choose, step=step,
                           images=count if images is not None else None, preprocess=preprocess, eval_preprocess=eval_preprocess)
    return _finished(call, call.run(native.library().merge, call.model, opened, evaluation, options), path, save_dtype)


def quantize(model: Any, images: Any = None, *, keep: Union[None, str, Sequence[str]] = None, weight_bits: int = 8, count: Optional[int] = None, held_out: Optional[float] = None,
             budget_kl: Optional[float] = None, ridge: Optional[float] = None, output: Any = None, eval: Any = None, eval_labels: Any = None,  # noqa: A002
             eval_resize: Any = None, save_dtype: str = "same", **settings: Any) -> CompressedResult:
    """Makes the linear layers of a model int8: a quarter of the size, and faster on the engine. With `weight_bits=4` the file has a seventh of the size.

    With unlabelled `images`, of which 100 to 300 suffice, channels are equalised, biases corrected and layers refitted. `count` is the number of images
    to use, spread over all (default: 200). `held_out` is the share of them that is kept out of the fit, `ridge` the strength of the refits' pull towards
    the old weights. With `budget_kl`, layers return to float until the mean KL divergence from the float model is at most this, in nats. `keep` names
    layers that stay float, in a list or with commas between: "blocks.11.mlp.fc2", or "fc2" for those of all blocks.

    `output`, `eval` and result.module are as in compress(). `precision` is that of matrix products while layers are fitted; the default is f32, and
    measurements are in f32. Raises ValueError for values out of range, for names that match no layer, and for options of the calibration without
    `images`; vitrim.Error for a model that is int8 already, for a budget that can't be met, and for files that cannot be read or written.
    """
    _check("quantize", images=images, count=count, held_out=held_out, budget_kl=budget_kl, ridge=ridge, eval=eval, eval_resize=eval_resize)
    path = _check_output(output, save_dtype, model)
    call = _Call("quantize", model, {"precision": "f32", **settings})
    opened, preprocess = (None, None) if images is None else call.images(images)
    evaluation, eval_preprocess = call.evaluation(eval, eval_labels, eval_resize)
    options = call.options(keep=keep.split(",") if isinstance(keep, str) else keep, weight_bits=weight_bits, images=count, held_out=held_out, budget_kl=budget_kl, ridge=ridge,
                           preprocess=preprocess, eval_preprocess=eval_preprocess)
    return _finished(call, call.run(native.library().quantize, call.model, opened, evaluation, options), path, save_dtype)


def _static(value: Union[None, str, Sequence[int]]) -> Optional[str]:
    """The text of --static: a list as "0,1,3"; "25%" and "best:3" stay."""
    if value is None or isinstance(value, str):
        return value
    if not hasattr(value, "__iter__"):
        raise ValueError(f"static is {value!r}; pass a list of layers such as [0, 1, 3], or a number of layers as '25%' or 'best:3'")
    return ",".join(str(int(layer)) for layer in value)


def _text(value: Union[None, int, str]) -> Optional[str]:
    return None if value is None else str(value)
