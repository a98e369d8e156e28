#!/usr/bin/env python3
"""The size and start-up time of each runtime: installed size, time to import, and time from the start of Python to the first answer for one image. In
each round, every runtime starts once in a fresh process, interleaved; the result is the median of all rounds.

usage: startup.py ROUNDS MODEL.safetensors MODEL.onnx KIND=PYTHON...     KIND: vitrim-runtime, onnxruntime, openvino, torch; PYTHON has it installed
"""

import json
import os
import statistics
import subprocess
import sys
import time

PROLOGUE = "import json, sys, time; begin = time.perf_counter()\n"
EPILOGUE = "\nprint(json.dumps({'imported': imported - begin, 'sum': float(abs(out).sum())}))"
NOISE = "images = numpy.random.default_rng(1).standard_normal((1, 3, 224, 224), dtype=numpy.float32)\n"
PROGRAMS = {
    "vitrim-runtime": "import numpy, vitrim_runtime\nimported = time.perf_counter()\n" + NOISE +
                      "out = vitrim_runtime.Engine(sys.argv[1], threads=2, precision='f32').run(images)",
    "onnxruntime": "import numpy, onnxruntime\nimported = time.perf_counter()\n" + NOISE +
                   "options = onnxruntime.SessionOptions(); options.intra_op_num_threads = 2\n"
                   "session = onnxruntime.InferenceSession(sys.argv[2], options)\nout = session.run(None, {session.get_inputs()[0].name: images})[0]",
    "openvino": "import numpy, openvino\nimported = time.perf_counter()\n" + NOISE +
                "compiled = openvino.Core().compile_model(sys.argv[2], 'CPU', {'INFERENCE_PRECISION_HINT': 'f32', 'INFERENCE_NUM_THREADS': 2})\nout = compiled(images)[0]",
    "torch": "import numpy, torch, vitrim\nimported = time.perf_counter()\n" + NOISE +
             "torch.set_num_threads(2)\nmodel = vitrim.load(sys.argv[1]).eval()\nwith torch.inference_mode(): out = model(torch.from_numpy(images)).numpy()",
}
TOOLS = ("pip", "setuptools", "wheel", "pkg_resources", "_distutils_hack", "distutils-precedence.pth")


def megabytes(python):
    """The size of all installed packages except package installers."""
    folder = subprocess.run([python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"], capture_output=True, text=True, check=True).stdout.strip()
    total = 0
    for name in os.listdir(folder):
        if name.split("-")[0] in TOOLS:
            continue
        path = os.path.join(folder, name)
        for inner, _, files in os.walk(path) if os.path.isdir(path) else [(folder, [], [name])]:
            total += sum(os.lstat(os.path.join(inner, file)).st_size for file in files if not file.endswith(".pyc"))
    return total / 1e6


def main():
    rounds, safetensors, onnx = int(sys.argv[1]), *sys.argv[2:4]
    pythons = dict(word.split("=", 1) for word in sys.argv[4:])
    seen = {kind: {"imported": [], "answered": []} for kind in pythons}
    for number in range(-1, rounds):  # the first round warms the file cache
        for kind, python in pythons.items():
            begin = time.perf_counter()
            done = subprocess.run([python, "-c", PROLOGUE + PROGRAMS[kind] + EPILOGUE, safetensors, onnx], capture_output=True, text=True, check=True)
            if number >= 0:
                seen[kind]["answered"].append(time.perf_counter() - begin)
                seen[kind]["imported"].append(json.loads(done.stdout)["imported"])
    for kind, python in pythons.items():
        one = {key: statistics.median(values) for key, values in seen[kind].items()}
        print(json.dumps({"runtime": kind, "installed_mb": round(megabytes(python), 1), "import_s": round(one["imported"], 3), "first_answer_s": round(one["answered"], 3),
                          "rounds": rounds}))


if __name__ == "__main__":
    main()
