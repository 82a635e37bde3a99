# Two images: `serve`, the default of `docker build .`, answers predictions and contains no training
# stack; `train` runs training jobs. A third, `serve-with-model`, is `serve` with models in it.
ARG PYTHON_IMAGE=docker.io/library/python:3.11-slim

# The default for `--build-context models=DIRECTORY`.
FROM scratch AS models

FROM ${PYTHON_IMAGE} AS python
# Official images lack the bytecode of the standard library: with a read-only root it would be
# compiled at each start. SOURCE_DATE_EPOCH keeps the build date out of /etc/shadow.
RUN groupadd --gid 10001 app \
    && SOURCE_DATE_EPOCH=0 useradd --uid 10001 --gid 10001 --no-create-home \
        --home-dir /nonexistent --shell /usr/sbin/nologin app \
    && PYTHONHASHSEED=0 python -m compileall -q --invalidation-mode unchecked-hash \
        -x '/(site|dist)-packages/|/(test|tests|idlelib|lib2to3|ensurepip|turtledemo)/' \
        "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /app

# --- build stages, which have pip -----------------------------------------------------------------
FROM python AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_PROGRESS_BAR=off
RUN python -m venv --without-pip /opt/venv

FROM build AS serve-build
COPY requirements/serve.lock /build/
# The secret is optional: a pip.conf for a package index other than the public one.
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    pip --python /opt/venv/bin/python install --no-cache-dir --no-compile --require-hashes \
        --no-deps --only-binary=:all: --requirement /build/serve.lock
COPY api /build/api
COPY src/tabproof /build/tabproof
COPY deploy/image/closure.py /build/
# Unchecked bytecode and fixed times: the same sources make the same layer.
RUN python /build/closure.py /build /app api.__main__ api.app api.main \
    && PYTHONHASHSEED=0 python -m compileall -q --invalidation-mode unchecked-hash /app /opt/venv/lib \
    && find /app /opt/venv -exec touch --no-dereference --date=@0 {} +

FROM build AS train-build
ARG EXTRAS=""
COPY requirements /build/requirements
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    for lock in build base serve ${EXTRAS}; do \
        pip --python /opt/venv/bin/python install --no-cache-dir --no-compile --require-hashes \
            --no-deps --no-build-isolation --use-pep517 --requirement "/build/requirements/${lock}.lock" || exit 1; \
    done
COPY conf /app/conf
COPY src /app/src
RUN PYTHONHASHSEED=0 python -m compileall -q --invalidation-mode unchecked-hash /app /opt/venv/lib \
    && find /app /opt/venv -exec touch --no-dereference --date=@0 {} +

# --- training jobs --------------------------------------------------------------------------------
FROM python AS train
# LightGBM's OpenMP. Not pinned: Debian keeps only the newest version, with its fixes.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log \
    && install --directory --owner=app --group=app outputs models data_cache
COPY --from=train-build /opt/venv /opt/venv
COPY --from=train-build /app /app
ENV PYTHONPATH=/app/src
VOLUME ["/app/outputs", "/app/models", "/app/data_cache", "/tmp"]
USER 10001:10001
ENTRYPOINT ["python", "-m", "src.train"]
ARG REVISION=unknown
ARG VERSION=unknown
ARG SOURCE=""
LABEL org.opencontainers.image.title="mlops-train" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.source="${SOURCE}"

# --- the service ----------------------------------------------------------------------------------
FROM python AS service
RUN install --directory --owner=app --group=app /var/lib/models
COPY --from=serve-build /opt/venv /opt/venv
COPY --from=serve-build /app /app
ENV MODEL_CACHE=/var/lib/models
# Everything that is written, so that the root can be read-only. Declared, because a volume takes
# over the owner of its path: on Fargate it would belong to root otherwise.
VOLUME ["/var/lib/models", "/tmp"]
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
ENTRYPOINT ["python", "-m", "api", "--host", "0.0.0.0", "--port", "8000"]
ARG REVISION=unknown
ARG VERSION=unknown
ARG SOURCE=""
LABEL org.opencontainers.image.title="mlops-api" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.source="${SOURCE}"

FROM service AS serve-with-model
COPY --from=models / /app/models/

# The last stage is the default of `docker build .`.
FROM service AS serve
