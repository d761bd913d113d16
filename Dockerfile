# One image for Mage's UI, its scheduler and one-shot runs: docs/containers.md.
# Nothing is fetched but the base image and the packages of the two requirements files; on arm64 also
# the tool chain below, and from crates.io what pgpq is built from.
ARG PYTHON_IMAGE=python:3.11.16-slim-bookworm

FROM ${PYTHON_IMAGE} AS tools-amd64

# The packages that have no wheel for Linux on arm64 (docs/platforms.md) are built there, in a stage
# that the image leaves behind. Of Debian's two Rusts this is the one that it keeps current.
FROM ${PYTHON_IMAGE} AS tools-arm64
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends cargo-web gcc libc6-dev rustc-web \
 && rm -rf /var/lib/apt/lists/*

# hadolint ignore=DL3006
FROM tools-${TARGETARCH} AS packages
WORKDIR /build
RUN python -m venv --without-pip /opt/venv
COPY requirements.txt deploy/image/requirements-image.txt ./
# Both secrets are optional, for a package index of your own.
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca_bundle \
    --mount=type=cache,target=/root/.cache/pip \
    pip --disable-pip-version-check --python /opt/venv/bin/python install --require-hashes --no-deps \
      -r requirements.txt -r requirements-image.txt
WORKDIR /opt/venv/lib/python3.11/site-packages
# JupyterLab's pages and translations, which Mage depends on and never serves, C++ headers, and the
# test suites of the largest packages.
RUN rm -r notebook/static jupyterlab/static jupyterlab/staging /opt/venv/share/jupyter/lab \
      babel/locale-data pyarrow/include \
 && find numpy pandas pyarrow scipy sklearn -type d -name tests -prune -exec rm -r {} +

FROM ${PYTHON_IMAGE}
RUN useradd --uid 10001 --user-group --create-home --home-dir /home/mage mage \
 && install --directory --owner mage --group mage /data
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
# All of it belongs to root: the process can read and run it, and change nothing.
COPY deploy/image/*.py deploy/image/*.sh /opt/nyc-tlc/
COPY nyc_tlc nyc_tlc
COPY mage_server mage_server
COPY mage_project mage_project
COPY io_config.yml ./
COPY io_config.yml mage_project/io_config.yaml
WORKDIR /opt/nyc-tlc/bin
# Mage's executors on Kubernetes and elsewhere call the image's /app/run_app.sh.
RUN chmod 0755 ../*.* \
 && ln -s ../with_settings.py with-settings && ln -s ../write_secrets.py write-secrets \
 && ln -s ../project_for_server.py project-for-server && ln -s ../serve.sh serve \
 && ln -s ../healthcheck.py mage-is-healthy && ln -s ../show_login.sh show-login \
 && ln -s ../mage.sh mage && ln -s ../triggers.sh triggers && ln -s /opt/nyc-tlc/with_settings.py /app/run_app.sh \
 && python -m compileall -q /app/nyc_tlc /app/mage_server /app/mage_project
WORKDIR /app
ENV PATH=/opt/nyc-tlc/bin:/opt/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PYTHONWARNINGS=ignore::FutureWarning \
    GIT_PYTHON_REFRESH=quiet \
    HOME=/data/home \
    DISABLE_AUTO_BROWSER_OPEN=1
VOLUME /data
EXPOSE 6789
USER 10001:10001
# dumb-init hands signals to every process of Mage, and buries those that it leaves behind.
ENTRYPOINT ["/opt/venv/bin/dumb-init", "--", "with-settings"]
CMD ["serve"]
HEALTHCHECK --interval=15s --timeout=15s --start-period=120s --retries=4 \
  CMD ["with-settings", "mage-is-healthy", "--stores"]
ARG REVISION=unknown
LABEL org.opencontainers.image.title="nyc-tlc-mage" \
      org.opencontainers.image.description="TLC trip records into Postgres, a lake and BigQuery" \
      org.opencontainers.image.documentation="docs/containers.md" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="1.0.0" \
      org.opencontainers.image.revision="${REVISION}"
