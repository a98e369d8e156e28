"""One class per way to run a model; all of them take turns in one process. call() -> float32 logits as a NumPy array."""

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


class Inductor:
    """int8 by PyTorch's guide for x86: exported, calibrated on `images`, converted, and compiled with frozen weights; everything else in bfloat16."""

    def __init__(self, model, images):
        import torch._inductor.config
        import torchao.quantization.pt2e as pt2e
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
        from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86
        torch._inductor.config.freezing = True
        quantizer = x86.X86InductorQuantizer()
        quantizer.set_global(x86.get_default_x86_inductor_quantization_config())
        with torch.no_grad():
            prepared = prepare_pt2e(torch.export.export(model, (images,)).module(), quantizer)
            prepared(images)
            converted = convert_pt2e(prepared)
            pt2e.move_exported_model_to_eval(converted)
            self.model = torch.compile(converted)
        self.images = images

    def call(self):
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            return self.model(self.images).float().numpy()


def export(model, images, path):
    if not os.path.exists(path):
        torch.onnx.export(model, (images,), path, input_names=["images"], output_names=["logits"], dynamo=False)
    return path


class OnnxRuntime:
    """float32, because its CPU kernels have no bfloat16; or a graph that onnxruntime_int8() wrote."""

    def __init__(self, path, images, threads):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.inputs = {self.session.get_inputs()[0].name: images.numpy()}

    def call(self):
        return self.session.run(None, self.inputs)[0]


def onnxruntime_int8(path, batches, static):
    """The graph quantised by ONNX Runtime's own tool: every product in int8, activations with one scale per tensor, computed at run time or from
    calibration on `batches`, tensors of images."""
    import onnxruntime.quantization as quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process
    prepared, out = path.replace(".onnx", "-prepared.onnx"), path.replace(".onnx", "-static.onnx" if static else "-dynamic.onnx")
    if not os.path.exists(prepared):
        quant_pre_process(path, prepared)
    if os.path.exists(out):
        return out
    if static:
        import onnx
        name = onnx.load(prepared, load_external_data=False).graph.input[0].name

        class Batches(quantization.CalibrationDataReader):
            def __init__(self):
                self.left = iter([{name: batch.numpy()} for batch in batches])

            def get_next(self):
                return next(self.left, None)

        quantization.quantize_static(prepared, out, Batches(), op_types_to_quantize=["MatMul", "Gemm"], per_channel=True, quant_format=quantization.QuantFormat.QDQ)
    else:
        quantization.quantize_dynamic(prepared, out, op_types_to_quantize=["MatMul", "Gemm"], per_channel=True)
    return out


def openvino_int8(path, batches):
    """The graph quantised by NNCF for transformers (including SmoothQuant), calibrated on `batches`, tensors of images."""
    import nncf
    import openvino
    out = path.replace(".onnx", "-int8.xml")
    if not os.path.exists(out):
        data = nncf.Dataset([batch.numpy() for batch in batches])
        model = nncf.quantize(openvino.Core().read_model(path), data, model_type=nncf.ModelType.TRANSFORMER, preset=nncf.QuantizationPreset.MIXED, subset_size=len(batches))
        openvino.save_model(model, out, compress_to_fp16=False)
    return out


class OpenVino:
    def __init__(self, path, images, threads, batch, precision="bf16"):
        import openvino
        core = openvino.Core()
        graph = core.read_model(path)
        graph.reshape(list(images.shape))
        hint = "LATENCY" if batch == 1 else "THROUGHPUT"
        self.model = core.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": hint,
                                                      "NUM_STREAMS": 1})
        self.images = images.numpy()

    def call(self):
        return self.model(self.images)[0]
