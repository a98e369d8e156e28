# Two images. The first has everything: docker build --target build -t vitrim-build .
# The second runs compressed models with the engine alone, without LibTorch and without a compiler: docker build -t vitrim-runtime .
FROM debian:12-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends \
      ca-certificates cmake g++ git ninja-build nodejs npm pkg-config python3 python3-dev python3-pip python3-venv \
      libcli11-dev libgloo-dev libgtest-dev libjpeg62-turbo-dev libpng-dev libtomlplusplus-dev libutf8proc-dev libwebp-dev nlohmann-json3-dev zlib1g-dev \
    && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/torch && /opt/torch/bin/pip install --no-cache-dir torch safetensors numpy
ENV PATH=/opt/torch/bin:$PATH
COPY . /src
WORKDIR /src
RUN cmake --preset release -DVITRIM_BUILD_TESTS=OFF && cmake --build build/release
RUN VITRIM_PYTHON=/opt/torch/bin/python scripts/wheels.sh /wheels && pip install --no-cache-dir --no-deps /wheels/vitrim-*.whl
ENTRYPOINT ["vitrim"]

FROM python:3.12-slim-bookworm AS runtime
COPY --from=build /wheels/vitrim_runtime-*.whl /tmp/
RUN pip install --no-cache-dir /tmp/vitrim_runtime-*.whl && rm /tmp/vitrim_runtime-*.whl
USER nobody
ENTRYPOINT ["python"]
