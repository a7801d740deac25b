# The image for profiles of framework `custom`: Python with autoscout_profiler and its sample workloads.
#
#   docker build --file profiler-image/images/custom.Dockerfile --tag <registry>/autoscout-profiler:0.1.0 \
#     --build-arg BASE_IMAGE=docker.io/library/python:3.12-slim@sha256:<digest> profiler-image
#
# BASE_IMAGE has no default: pin what you checked, by digest. Any image with python3 >= 3.11 and pip will do.
ARG BASE_IMAGE

FROM ${BASE_IMAGE} AS build
COPY pyproject.toml README.md /source/
COPY autoscout_profiler /source/autoscout_profiler
RUN ["python3", "-m", "pip", "install", "--no-cache-dir", "--target", "/opt/autoscout", "/source[workloads]"]

FROM ${BASE_IMAGE}
COPY --from=build /opt/autoscout /opt/autoscout
ENV PYTHONPATH=/opt/autoscout PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
ENTRYPOINT ["python3", "-m", "autoscout_profiler"]
CMD ["--help"]
