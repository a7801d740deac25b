# The image for profiles of framework `megatron`: NVIDIA's PyTorch with megatron-core and autoscout_profiler.
#
#   docker build --file profiler-image/images/megatron.Dockerfile --tag <registry>/autoscout-profiler-megatron:0.1.0 \
#     --build-arg BASE_IMAGE=nvcr.io/nvidia/pytorch:<release>-py3@sha256:<digest> profiler-image
#
# BASE_IMAGE has no default: pin what you checked, by digest. It brings torch, NCCL and Transformer Engine, and a
# Python of 3.11 or 3.12. docs/profilers.md says how to scan and push the image.
ARG BASE_IMAGE

FROM ${BASE_IMAGE} AS build
COPY requirements/megatron.txt /source/
# PIP_CONSTRAINT: the base image pins packages that are not installed here, and hashes and its constraints exclude
# each other. The hashes are those of the wheels that the project's tests ran.
RUN ["env", "PIP_CONSTRAINT=", "python3", "-m", "pip", "install", "--no-cache-dir", "--no-deps", "--require-hashes", "--target", "/opt/autoscout", "--requirement", "/source/megatron.txt"]
COPY pyproject.toml README.md /source/package/
COPY autoscout_profiler /source/package/autoscout_profiler
RUN ["env", "PIP_CONSTRAINT=", "python3", "-m", "pip", "install", "--no-cache-dir", "--no-deps", "--target", "/opt/autoscout", "/source/package"]

FROM ${BASE_IMAGE}
COPY --from=build /opt/autoscout /opt/autoscout
# HOME, USER: user 65532 has no entry in the image's passwd, and compilers' caches ask for both.
ENV PYTHONPATH=/opt/autoscout PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    HOME=/tmp USER=nonroot LOGNAME=nonroot XDG_CACHE_HOME=/tmp/.cache TRITON_CACHE_DIR=/tmp/.triton
WORKDIR /tmp
USER 65532:65532
# In place of the base image's entry point, which is a shell script with a banner.
ENTRYPOINT ["python3", "-m", "autoscout_profiler"]
CMD ["megatron"]
