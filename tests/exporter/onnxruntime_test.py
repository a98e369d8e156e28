#!/usr/bin/env python3
"""Exported graphs in ONNX Runtime: every family, dense, removed, pruned and merged, against LibTorch; and the program's files against libvitrim.

VITRIM_REFERENCES writes the models and what LibTorch makes of them, VITRIM_BINARY is the program, VITRIM_LIBRARY libvitrim.so.
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, ".."), os.path.join(HERE, "..", "cli"), os.path.join(HERE, "..", "capi")]
import references  # noqa: E402

references.peers("onnx", "onnxruntime", "safetensors", "numpy")

import ctypes  # noqa: E402
import json  # noqa: E402
import shutil  # noqa: E402
import subprocess  # noqa: E402
import tempfile  # noqa: E402
import unittest  # noqa: E402

import cases  # noqa: E402
import numpy as np  # noqa: E402
import onnx  # noqa: E402
import onnxruntime  # noqa: E402
from program_case import Case  # noqa: E402
from safetensors import safe_open  # noqa: E402
from safetensors.numpy import load_file, save_file  # noqa: E402

MODEL = os.path.join(HERE, "..", "..", "models", "synthetic_vit.safetensors")


def session(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 2
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def run(path, images):
    return session(path).run(None, {"pixel_values": images})[0]


class EveryModel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="vitrim-export-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        subprocess.run([os.environ["VITRIM_REFERENCES"], cls.folder], check=True)
        cls.names = references.names(cls.folder)
        cls.int8 = [name for name in cls.names if name.endswith("_int8")]

    def path(self, name):
        return os.path.join(self.folder, name)

    def test_all_kinds_are_there(self):
        self.assertEqual(len(self.names), 19 * 5 + 10 + 3 + 1 + len(self.int8))
        self.assertEqual(len(self.int8), 19 + 10 + 2)
        self.assertTrue(all(os.path.exists(self.path(name + ".static.onnx")) for name in self.int8))

    def test_checker_takes_them(self):
        for name in self.names:
            for ending in (".onnx", ".f16.onnx", ".static.onnx")[:3 if name in self.int8 else 2]:
                with self.subTest(name + ending):
                    onnx.checker.check_model(onnx.load(self.path(name + ending)), full_check=True)

    def test_outputs_are_libtorchs(self):
        for name in self.names:
            with self.subTest(name):
                reference = load_file(self.path(name + ".reference.safetensors"))
                graph = session(self.path(name + ".onnx"))
                wanted = reference["output"]
                tolerance = references.first_step_tolerance(192) if name == "first_layer_int8" else references.int8_tolerance(4) if name in self.int8 else references.tolerance(192, 4)
                for batch in (3, 1, 2):  # one graph for all
                    got = graph.run(None, {"pixel_values": reference["input"][:batch]})[0]
                    self.assertEqual(got.dtype, np.float32)
                    self.assertLess(references.relative_difference(got, wanted[:batch]) * abs(wanted[:batch]).max() / abs(wanted).max(), tolerance)

    def test_half_precision(self):
        for name in self.names:
            with self.subTest(name):
                reference = load_file(self.path(name + ".reference.safetensors"))
                whole, half = os.path.getsize(self.path(name + ".onnx")), os.path.getsize(self.path(name + ".f16.onnx"))
                self.assertLess(half, whole)
                got = run(self.path(name + ".f16.onnx"), reference["input"])
                difference = references.relative_difference(got, reference["output"])
                # Rounding can choose another token to merge, which changes a share of the stream.
                self.assertLess(difference, 0.25 if "merged" in name else references.half_tolerance(4) + (references.int8_tolerance(4) if name in self.int8 else 0))
                self.assertGreater(difference, 0)


    def test_static_int8(self):
        """Every int8 layer becomes one of ONNX Runtime's integer products, and the outputs are close to those with one scale per token."""
        for name in self.int8:
            with self.subTest(name):
                reference = load_file(self.path(name + ".reference.safetensors"))
                options = onnxruntime.SessionOptions()
                options.log_severity_level = 3
                options.optimized_model_filepath = self.path("optimised.onnx")
                graph = onnxruntime.InferenceSession(self.path(name + ".static.onnx"), options, providers=["CPUExecutionProvider"])
                got = graph.run(None, {"pixel_values": reference["input"]})[0]
                self.assertLess(references.relative_difference(got, reference["output"]), 0.25 if "merged" in name else references.static_tolerance(4))
                products = sum(node.op_type == "MatMulInteger" for node in onnx.load(self.path(name + ".onnx")).graph.node)
                self.assertEqual(sum(node.op_type == "MatMulIntegerToFloat" for node in onnx.load(self.path("optimised.onnx")).graph.node), products)
                self.assertGreaterEqual(products, 1 if name == "first_layer_int8" else 4)


class Program(Case):
    """The small trained model that the tree holds."""

    def export(self, *arguments, output="m.onnx", model=MODEL):
        return self.json_of("export", model, *arguments, "-o", output)

    def libvitrim(self, images, model=MODEL):
        from capi_test import library
        lib = library()
        engine = lib.vitrim_load(model.encode(), 2, b"f32")
        self.assertTrue(engine, lib.vitrim_error())
        out = np.zeros((len(images), 10), np.float32)
        pointer = ctypes.POINTER(ctypes.c_float)
        self.assertEqual(lib.vitrim_run(engine, images.ctypes.data_as(pointer), len(images), out.ctypes.data_as(pointer)), 0)
        lib.vitrim_free(engine)
        return out

    def images(self, count):
        draw = np.random.default_rng(3)
        coarse = draw.normal(size=(count, 3, 8, 8)).repeat(8, 2).repeat(8, 3)
        return (coarse + 0.3 * draw.normal(size=(count, 3, 64, 64))).astype(np.float32)

    def agrees(self, path, model=MODEL, count=4, bound=None, images=None):
        images = self.images(count) if images is None else images
        self.assertLess(references.relative_difference(run(self.path(path), images), self.libvitrim(images, model)), bound or references.tolerance(384, 8))

    def test_embedded_default(self):
        result = self.export("--dynamic-batch")
        self.assertEqual(result["inputs"], [{"name": "pixel_values", "type": "float32", "shape": ["batch", 3, 64, 64]}])
        self.assertEqual(result["outputs"], [{"name": "logits", "type": "float32", "shape": ["batch", 10]}])
        graph = onnx.load(self.path("m.onnx")).graph
        self.assertEqual(result["nodes"], len(graph.node))
        self.assertEqual(result["files"], [{"path": "m.onnx", "bytes": os.path.getsize(self.path("m.onnx"))}])
        self.agrees("m.onnx", count=5)

    def test_half(self):
        self.export("--dynamic-batch", "--precision", "f16")
        types = {tensor.data_type for tensor in onnx.load(self.path("m.onnx")).graph.initializer if tensor.name.endswith("qkv.weight")}
        self.assertEqual(types, {onnx.TensorProto.FLOAT16})
        self.agrees("m.onnx", bound=references.half_tolerance(8))

    def test_int8(self):
        """A quantised model in a folder, under the conventional name, with one scale per token and with fixed scales."""
        self.run_vitrim("quantize", MODEL, "-o", "q.safetensors", "--quiet")
        model = self.path("q.safetensors")
        for calibration, inputs, tolerance in (([], "dynamic", references.int8_tolerance(8)), (["--calib", "synthetic:calib:32"], "static", references.static_tolerance(8))):
            result = self.export("--dynamic-batch", *calibration, model="q.safetensors", output="hub/")
            path = os.path.join("hub", "model_qint8_avx512_vnni.onnx")
            self.assertEqual([file["path"] for file in result["files"]], [path])
            self.assertEqual((result["int8_layers"], result["int8_inputs"]), (32, inputs))
            self.agrees(path, model, bound=tolerance)
        self.assertEqual(self.export(output="hub")["files"][0]["path"], os.path.join("hub", "model.onnx"))
        self.assertLess(os.path.getsize(self.path(path)), 0.4 * os.path.getsize(self.path("hub/model.onnx")))
        self.assertEqual(self.export("--precision", "f16", output="hub")["files"][0]["path"], os.path.join("hub", "model_fp16.onnx"))

    def test_fixed_batch(self):
        self.export("--batch", "2")
        self.agrees("m.onnx", count=2)
        with self.assertRaises(Exception):
            run(self.path("m.onnx"), self.images(3))

    def test_merged(self):
        self.run_vitrim("merge", MODEL, "--r", "6", "--pays-at", "0", "-o", "merged.safetensors", "--quiet")
        self.export("--dynamic-batch", model="merged.safetensors")
        self.agrees("m.onnx", self.path("merged.safetensors"))

    def test_merged_ties(self):
        """Equal patches without positions merge as in the engine."""
        with safe_open(MODEL, "np") as file:
            metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}
        tensors["pos_embed"] = np.zeros_like(tensors["pos_embed"])
        save_file(tensors, self.path("placeless.safetensors"), metadata)
        self.run_vitrim("merge", "placeless.safetensors", "--r", "6", "--pays-at", "0", "-o", "merged.safetensors", "--quiet")
        self.export("--dynamic-batch", model="merged.safetensors")
        images = np.full((3, 3, 64, 64), 0.5, np.float32)
        images[1, :, 24:] = self.images(1)[0, :, 24:]
        images[2, :, 16:48, 16:48] = -0.5
        self.agrees("m.onnx", self.path("merged.safetensors"), images=images)

    def quantised(self, name):
        """The steps that ONNX Runtime's guide gives before and to static int8."""
        from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process

        class Images(CalibrationDataReader):
            def __init__(self, images):
                self.left = [{"pixel_values": images[i:i + 2]} for i in range(0, len(images), 2)]

            def get_next(self):
                return self.left.pop() if self.left else None

        quant_pre_process(self.path(name + ".onnx"), self.path(name + ".pre.onnx"))
        quantize_static(self.path(name + ".pre.onnx"), self.path(name + ".int8.onnx"), Images(self.images(8)), quant_format=QuantFormat.QDQ, per_channel=True,
                        weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul", "Gemm", "Conv"])
        return run(self.path(name + ".pre.onnx"), self.images(4)), run(self.path(name + ".int8.onnx"), self.images(4))

    def test_merged_models_are_quantised_as_dense_ones(self):
        """Symbolic shapes, the optimiser and static int8 take both; the first two change no output."""
        try:
            import sympy  # noqa: F401 (symbolic shapes need it)
        except ImportError:
            self.skipTest("sympy was not found, so quantisation's first steps were not run")
        self.run_vitrim("merge", MODEL, "--r", "6", "--pays-at", "0", "-o", "merged.safetensors", "--quiet")
        for name, model in (("dense", MODEL), ("merged", "merged.safetensors")):
            self.export("--dynamic-batch", output=name + ".onnx", model=model)
            wanted = self.libvitrim(self.images(4), self.path(model))
            prepared, whole = self.quantised(name)
            self.assertLess(references.relative_difference(prepared, wanted), references.tolerance(384, 8))
            # Eight bits a tensor: near enough that nothing is broken; what it costs is ONNX Runtime's matter.
            self.assertLess(references.relative_difference(whole, wanted), 0.5)
            shapes = {value.name for value in onnx.load(self.path(name + ".pre.onnx")).graph.value_info}
            self.assertTrue(any("mlp" in value for value in shapes))

    def test_external_data(self):
        result = self.export("--dynamic-batch", "--longest-file", "1000000")
        self.assertEqual([file["path"] for file in result["files"]], ["m.onnx", "m.onnx.data"])
        for file in result["files"]:
            self.assertEqual(file["bytes"], os.path.getsize(self.path(file["path"])))
        onnx.checker.check_model(self.path("m.onnx"), full_check=True)
        self.agrees("m.onnx")

    def test_documented_lines_run(self):
        try:
            from PIL import Image
        except ImportError:
            self.skipTest("Pillow was not found, so docs/export.md's lines were not run")
        self.run_vitrim("export", MODEL, "--dynamic-batch", "-o", "vit.onnx", "--quiet")
        images = self.images(1)
        pixels = np.clip((images[0].transpose(1, 2, 0) * 0.5 + 0.5) * 255, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(self.path("photo.png"))
        done = subprocess.run([sys.executable, "-c", references.documented("export.md", 0)], cwd=self.folder, check=True, capture_output=True, text=True)
        spec = json.loads(session(self.path("vit.onnx")).get_modelmeta().custom_metadata_map["vitrim.spec"])["preprocess"]
        normalised = ((pixels / 255 - spec["mean"]) / spec["std"]).transpose(2, 0, 1)[None].astype(np.float32)
        self.assertEqual(done.stdout.split(), ["class", str(self.libvitrim(normalised).argmax())])

    def test_metadata(self):
        self.write("names.txt", b"".join(b"shape %d\n" % i for i in range(10)))
        self.export("--classes", "names.txt")
        metadata = session(self.path("m.onnx")).get_modelmeta().custom_metadata_map
        self.assertEqual(json.loads(metadata["class_names"]), [f"shape {i}" for i in range(10)])
        self.assertEqual(json.loads(metadata["vitrim.spec"])["embed_dim"], 96)
        self.assertEqual(len(json.loads(metadata["mean"])), 3)

    def test_checkpoints_compute_the_same(self):
        for form in ("safetensors", "timm"):
            self.run_vitrim("compress", MODEL, "--remove-attention", "2", "--no-absorb", "--calib", "synthetic:calib:32", "-o", "cut.safetensors", "--quiet")
            self.export("--format", form, model="cut.safetensors", output="out.safetensors")
            images = self.images(3)
            difference = references.relative_difference(self.libvitrim(images, self.path("out.safetensors")), self.libvitrim(images, self.path("cut.safetensors")))
            self.assertLess(difference, references.tolerance(384, 8))


if __name__ == "__main__":
    cases.main("export_onnxruntime")
