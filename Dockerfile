# syntax=docker/dockerfile:1
# The images of Comitia, one target each: router, aggregator, learner, agent (CPU), agent-cuda, cli.
#   docker build --target router --tag comitia/router:0.1.0 .        (`make images` builds all)
# Nothing is compiled: all packages are wheels, taken by hash from requirements/image-*.lock. Weights
# are never part of an image; agents read built models from COMITIA_CACHE_DIR, a volume that
# `comitia model` fills. Behind a mirror of the package index, give pip's settings as the build secret
# `pip`: see docs/images.md.

ARG PYTHON_IMAGE=python:3.11-slim-bookworm
# Whose bill of materials the target `sbom` writes.
ARG SUBJECT=agent

# A mirror or a proxy: --secret id=pip,src=FILE gives pip its configuration, and leaves none of it in an image.

# --- our own packages, as wheels -------------------------------------------------------------
FROM ${PYTHON_IMAGE} AS tools
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY requirements/image-build.lock requirements/
RUN --mount=type=cache,target=/root/.cache/pip --mount=type=secret,id=pip,target=/etc/pip.conf \
    python3 -m venv /build && /build/bin/pip install --quiet --require-hashes -r requirements/image-build.lock

FROM tools AS wheels
COPY shared shared
COPY services services
COPY cli cli
RUN /build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels \
    ./shared ./cli ./services/router ./services/agent ./services/aggregator ./services/learner

# --- one environment per image: first what others wrote, which changes less often ------------
FROM tools AS environment
ENV INSTALL="/build/bin/pip --python /opt/comitia/venv/bin/python install --quiet" \
    OURS="--no-deps --no-index --find-links /wheels"
# Without pip, which services do not need.
RUN python3 -m venv --without-pip /opt/comitia/venv

FROM environment AS service-environment
COPY requirements/image-service.lock requirements/
RUN --mount=type=cache,target=/root/.cache/pip --mount=type=secret,id=pip,target=/etc/pip.conf \
    ${INSTALL} --require-hashes -r requirements/image-service.lock
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    ${INSTALL} ${OURS} comitia comitia-router comitia-aggregator comitia-learner

FROM environment AS agent-environment
COPY requirements/image-agent.lock requirements/
RUN --mount=type=cache,target=/root/.cache/pip --mount=type=secret,id=pip,target=/etc/pip.conf \
    ${INSTALL} --require-hashes -r requirements/image-agent.lock
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    ${INSTALL} ${OURS} comitia comitia-agent

FROM environment AS agent-cuda-environment
COPY requirements/image-agent-cuda.lock requirements/
RUN --mount=type=cache,target=/root/.cache/pip --mount=type=secret,id=pip,target=/etc/pip.conf \
    ${INSTALL} --require-hashes -r requirements/image-agent-cuda.lock
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    ${INSTALL} ${OURS} comitia comitia-agent

# The command line fetches weights from the package index, by pip. It decides anew and judges feedback by the rules of
# the services, which are their packages.
FROM environment AS cli-environment
RUN python3 -m venv /opt/comitia/venv
COPY requirements/image-cli.lock requirements/
RUN --mount=type=cache,target=/root/.cache/pip --mount=type=secret,id=pip,target=/etc/pip.conf \
    ${INSTALL} --require-hashes -r requirements/image-cli.lock
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    ${INSTALL} ${OURS} comitia comitia-router comitia-aggregator comitia-learner comitia-cli

# --- what all images have in common ----------------------------------------------------------
FROM ${PYTHON_IMAGE} AS base
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Comitia" \
      org.opencontainers.image.description="An event-driven panel of transformer agents on Apache Kafka" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# HOME is the one place that is written to when the root is read-only: mount a tmpfs on /tmp.
ENV PATH=/opt/comitia/venv/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    COMITIA_HTTP_HOST=0.0.0.0 \
    COMITIA_HTTP_PORT=8080 \
    COMITIA_CACHE_DIR=/var/lib/comitia \
    COMITIA_MODELS_DIR=/opt/comitia/models
RUN install -d -o 10001 -g 10001 /var/lib/comitia
WORKDIR /opt/comitia
# By number, so that Kubernetes can see that it is not root.
USER 10001:10001

FROM base AS service
COPY --from=service-environment /opt/comitia/venv /opt/comitia/venv
EXPOSE 8080

FROM service AS router
ENTRYPOINT ["comitia-router"]

FROM service AS aggregator
ENTRYPOINT ["comitia-aggregator"]

# Else numpy's library takes all cores for a fit, which is slower where others use them.
FROM service AS learner
ENV OPENBLAS_NUM_THREADS=1
ENTRYPOINT ["comitia-learner"]

FROM base AS agent-cuda
COPY --from=agent-cuda-environment /opt/comitia/venv /opt/comitia/venv
COPY models models
COPY agents agents
EXPOSE 8080
ENTRYPOINT ["comitia-agent"]

FROM base AS cli
COPY --from=cli-environment /opt/comitia/venv /opt/comitia/venv
COPY models models
COPY agents agents
ENTRYPOINT ["comitia"]

FROM base AS agent
COPY --from=agent-environment /opt/comitia/venv /opt/comitia/venv
COPY models models
COPY agents agents
EXPOSE 8080
ENTRYPOINT ["comitia-agent"]

# --- bills of materials: what Python and what Debian installed in an image -------------------
FROM ${SUBJECT} AS subject

FROM tools AS sbom-maker
COPY requirements/image-sbom.lock requirements/
RUN --mount=type=cache,target=/root/.cache/pip --mount=type=secret,id=pip,target=/etc/pip.conf \
    python3 -m venv /sbom \
    && /sbom/bin/pip install --quiet --require-hashes -r requirements/image-sbom.lock
RUN --mount=type=bind,from=subject,source=/,target=/image mkdir /bills \
    && /sbom/bin/cyclonedx-py environment --sv 1.6 --output-file /bills/python.cdx.json \
        /image/opt/comitia/venv \
    && /sbom/bin/debsbom generate --sbom-type cdx --cdx-schema-version 1.6 --root /image \
        --out /bills/debian

FROM scratch AS sbom
COPY --from=sbom-maker /bills /

# A build that names no target makes the image that there are most of.
FROM agent
