"""vitrim's CPU engine on NumPy arrays. It runs checkpoints of vision transformers and needs only NumPy."""

import ctypes
import os
import threading
import warnings
from typing import Any, Optional

import numpy

__all__ = ["Engine", "VitrimError"]


class VitrimError(RuntimeError):
    """A failure of the library; the message is the library's sentence."""


class _Shape(ctypes.Structure):
    _fields_ = [("channels", ctypes.c_int64), ("height", ctypes.c_int64), ("width", ctypes.c_int64), ("outputs", ctypes.c_int64),
                ("mean", ctypes.c_float * 3), ("std", ctypes.c_float * 3)]


class _Hints(ctypes.Structure):
    _fields_ = [("num_heads", ctypes.c_int64), ("image_size", ctypes.c_int64), ("stream_gain", ctypes.c_double), ("norm_eps", ctypes.c_double),
                ("activation", ctypes.c_char_p), ("pooling", ctypes.c_char_p), ("weights", ctypes.c_char_p)]


_library = None


def _load_library():
    """Loads libvitrim from this file's folder, or the library that VITRIM_LIBRARY names."""
    global _library
    if _library is None:
        library = ctypes.CDLL(os.environ.get("VITRIM_LIBRARY") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "libvitrim.so"))
        library.vitrim_load_as.restype = ctypes.c_void_p
        library.vitrim_load_as.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(_Hints)]
        library.vitrim_warnings.argtypes = [ctypes.c_void_p]
        library.vitrim_warnings.restype = ctypes.c_char_p
        library.vitrim_get_shape.argtypes = [ctypes.c_void_p, ctypes.POINTER(_Shape)]
        library.vitrim_run.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p]
        library.vitrim_prepare.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64]
        library.vitrim_free.argtypes = [ctypes.c_void_p]
        library.vitrim_free.restype = None
        library.vitrim_error.restype = ctypes.c_char_p
        _library = library
    return _library


class Engine:
    """A checkpoint that is ready to run.

    `path` is a checkpoint that vitrim reads: a .safetensors or .pth file, an index of several files, or a folder that contains either. `threads` 0
    means one thread per core that the process may use. `precision` is "f32", "bf16" or "auto" (bfloat16 if the CPU multiplies it in hardware). Raises
    VitrimError if the file can't be read or the engine does not run its architecture. The other arguments state properties that a file of another
    program may not state itself; assumed values cause a warning.
    """

    def __init__(self, path: Any, threads: int = 0, precision: str = "auto", *, num_heads: Optional[int] = None, image_size: Optional[int] = None,
                 stream_gain: Optional[float] = None, activation: Optional[str] = None, norm_eps: Optional[float] = None, pooling: Optional[str] = None,
                 weights: Optional[str] = None):
        if threads < 0:
            raise ValueError(f"{threads} threads")
        if precision not in ("auto", "f32", "bf16"):
            raise ValueError(f"there is no precision '{precision}'; use f32, bf16 or auto")
        self._path, self._threads, self._precision = os.fspath(path), threads, precision
        given = dict(num_heads=num_heads, image_size=image_size, stream_gain=stream_gain, activation=activation, norm_eps=norm_eps, pooling=pooling, weights=weights)
        self._hints = {name: value for name, value in given.items() if value is not None}
        self._lock = threading.Lock()
        self._handle = None
        self._open()
        for sentence in filter(None, _load_library().vitrim_warnings(self._handle).decode(errors="replace").split("\n")):
            warnings.warn(sentence, UserWarning, stacklevel=2)

    def _open(self) -> None:
        library = _load_library()
        threads = self._threads or len(os.sched_getaffinity(0))
        hints = _Hints(**{name: value.encode() if isinstance(value, str) else value for name, value in self._hints.items()})
        self._handle = library.vitrim_load_as(os.fsencode(self._path), threads, self._precision.encode(), ctypes.byref(hints))
        if not self._handle:
            raise VitrimError(library.vitrim_error().decode(errors="replace"))
        self._process = os.getpid()
        shape = _Shape()
        if library.vitrim_get_shape(self._handle, ctypes.byref(shape)):
            raise VitrimError(library.vitrim_error().decode(errors="replace"))
        self._input = (shape.channels, shape.height, shape.width)
        self._outputs = shape.outputs

    def _here(self):
        """The engine of this process. Threads do not survive a fork, so a child process creates its own engine."""
        with self._lock:
            if self._process != os.getpid():
                self._handle = None  # the parent's; its memory is left as it is
                self._open()
            return self._handle

    input_shape = property(lambda self: self._input, doc="Channels, height and width of an image.")
    outputs = property(lambda self: self._outputs, doc="Numbers a row of the result holds: logits, or features of a model without classifier.")

    def preprocess(self, images: Any) -> numpy.ndarray:
        """Prepares uint8 RGB images -> float32 [n, channels, height, width], bit-identical to `vitrim eval`: resized, cropped and normalised as
        the checkpoint states, and converted to grey for a model of one channel. `images` is one array [height, width, 3], an array of several, or
        a list of arrays of any sizes. Raises ValueError for another dtype or shape, VitrimError if the checkpoint does not state its
        preprocessing. Releases the GIL."""
        given = [images] if getattr(images, "ndim", 0) == 3 else list(images)
        out = numpy.empty((len(given), *self._input), numpy.float32)
        library, handle = _load_library(), self._here()
        for image, to in zip(given, out):
            pixels = numpy.ascontiguousarray(image)
            if pixels.dtype != numpy.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
                raise ValueError(f"expected uint8 images of [height, width, 3], got {pixels.dtype} {list(pixels.shape)}")
            if library.vitrim_prepare(handle, pixels.ctypes.data, pixels.shape[0], pixels.shape[1], to.ctypes.data, to.size):
                raise VitrimError(library.vitrim_error().decode(errors="replace"))
        return out

    def run(self, images: Any) -> numpy.ndarray:
        """Runs float32 images [n, channels, height, width], normalised -> float32 [n, outputs]. Releases the GIL."""
        given = numpy.asarray(images)
        if given.dtype != numpy.float32 or given.ndim != 4 or given.shape[1:] != self._input:
            raise ValueError(f"expected float32 images of [n, {', '.join(map(str, self._input))}], got {given.dtype} {list(given.shape)}")
        given = numpy.ascontiguousarray(given)
        out = numpy.empty((given.shape[0], self._outputs), numpy.float32)
        library, handle = _load_library(), self._here()
        if given.shape[0] and library.vitrim_run(handle, given.ctypes.data, given.shape[0], out.ctypes.data):
            raise VitrimError(library.vitrim_error().decode(errors="replace"))
        return out

    __call__ = run

    def __reduce__(self):
        return _again, (self._path, self._threads, self._precision, self._hints)

    def __del__(self):
        handle, self._handle = getattr(self, "_handle", None), None
        if handle and self._process == os.getpid() and _library is not None:
            _library.vitrim_free(handle)


def _again(path, threads, precision, hints):
    """Creates an engine from a pickle, without repeating the warnings about its file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Engine(path, threads, precision, **hints)
