"""One class for each way to run a model; each takes turns with the others in one process. call() -> float32 logits as a NumPy array."""

import ctypes
import os

import numpy
import torch


class Vitrim:
    """libvitrim through its C interface."""

    def __init__(self, library, checkpoint, images, threads, precision="bf16"):
        self.lib = ctypes.CDLL(library)
        self.lib.vitrim_load.restype = ctypes.c_void_p
        self.lib.vitrim_load.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p]
        self.lib.vitrim_run.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p]
        self.lib.vitrim_error.restype = ctypes.c_char_p
        self.engine = self.lib.vitrim_load(checkpoint.encode(), threads, precision.encode())
        if not self.engine:
            raise RuntimeError(self.lib.vitrim_error().decode())
        self.images = numpy.ascontiguousarray(images.numpy())
        self.out = numpy.empty((len(self.images), 1000), numpy.float32)

    def call(self):
        if self.lib.vitrim_run(self.engine, self.images.ctypes.data, len(self.images), self.out.ctypes.data):
            raise RuntimeError(self.lib.vitrim_error().decode())
        return self.out


class Eager:
    def __init__(self, model, images):
        self.model, self.images = model, images.bfloat16()

    def call(self):
        with torch.inference_mode():
            return self.model(self.images).float().numpy()


class Compiled(Eager):
    def __init__(self, model, images):
        super().__init__(torch.compile(model), images)

    def call(self):
        with torch.no_grad():
            return self.model(self.images).float().numpy()


def export(model, images, path):
    if not os.path.exists(path):
        torch.onnx.export(model, (images,), path, input_names=["images"], output_names=["logits"], dynamo=False)
    return path


class OnnxRuntime:
    """float32: its CPU kernels have no bfloat16."""

    def __init__(self, path, images, threads):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.images = images.numpy()

    def call(self):
        return self.session.run(None, {"images": self.images})[0]


class OpenVino:
    def __init__(self, path, images, threads, batch):
        import openvino
        core = openvino.Core()
        hint = "LATENCY" if batch == 1 else "THROUGHPUT"
        self.model = core.compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "bf16", "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": hint,
                                                      "NUM_STREAMS": 1})
        self.images = images.numpy()

    def call(self):
        return self.model(self.images)[0]
