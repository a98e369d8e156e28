"""The description of the machine in a result."""

FLAGS = ("avx2", "avx_vnni", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8")


def cpu_facts():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        info = file.read()
    name = next(line.split(":")[1].strip() for line in info.splitlines() if line.startswith("model name"))
    words = set(info.split())
    return {"cpu": name, "instructions": [flag for flag in FLAGS if flag in words]}
