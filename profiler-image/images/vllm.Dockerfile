# The image for profiles of framework `vllm`: vLLM's own image with autoscout_profiler.
#
#   docker build --file profiler-image/images/vllm.Dockerfile --tag <registry>/autoscout-profiler-vllm:0.1.0 \
#     --build-arg BASE_IMAGE=docker.io/vllm/vllm-openai:v0.32.0@sha256:<digest> profiler-image
#
# BASE_IMAGE has no default: pin what you checked, by digest. The project's tests ran vLLM 0.32.0; with another release
# an option that it does not know is refused by name. docs/profilers.md says how to scan and push the image.
ARG BASE_IMAGE

FROM ${BASE_IMAGE} AS build
COPY pyproject.toml README.md /source/
COPY autoscout_profiler /source/autoscout_profiler
RUN ["python3", "-m", "pip", "install", "--no-cache-dir", "--no-deps", "--target", "/opt/autoscout", "/source"]

FROM ${BASE_IMAGE}
COPY --from=build /opt/autoscout /opt/autoscout
# HOME, USER: user 65532 has no entry in the image's passwd, and compilers' caches ask for both.
ENV PYTHONPATH=/opt/autoscout PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    HOME=/tmp USER=nonroot LOGNAME=nonroot XDG_CACHE_HOME=/tmp/.cache TRITON_CACHE_DIR=/tmp/.triton \
    VLLM_CACHE_ROOT=/tmp/.cache/vllm VLLM_NO_USAGE_STATS=1
WORKDIR /tmp
USER 65532:65532
# In place of the base image's entry point, which is the server.
ENTRYPOINT ["python3", "-m", "autoscout_profiler"]
CMD ["vllm"]
