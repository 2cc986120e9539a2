# Sources come after the locked dependencies, so an edit of a template does not reinstall them. Build tools stay in
# earlier stages. The image is also a base for your own projects: README, "As an image".

FROM python:3.13-slim AS base
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
# The official image has no bytecode of the standard library, and a read-only container cannot write any. So each start
# would compile what it imports, a quarter of its time.
RUN python -m compileall -q -j 0 -x '/(ensurepip|idlelib|site-packages|test|turtledemo)/' \
        "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"

FROM base AS dependencies
RUN python -m venv /opt/static-host
COPY requirements/run.txt /src/requirements/
RUN --mount=type=cache,target=/root/.cache/pip \
    /opt/static-host/bin/pip install --require-hashes -r /src/requirements/run.txt

FROM dependencies AS wheel
COPY . /src/
RUN /opt/static-host/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheel /src

FROM dependencies AS environment
RUN /opt/static-host/bin/pip uninstall --yes setuptools

# The tool has an environment of its own, and so has the project: `python` and `pip` are those of /opt/project.
FROM base
# A number, because Kubernetes (runAsNonRoot) does not accept a name. No home: nothing is stored there.
RUN useradd --no-log-init --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin app \
 && install --directory --owner app --group app \
        /var/lib/static-host /var/lib/static-host/data /var/lib/static-host/spool
RUN python -m venv /opt/project
WORKDIR /srv
# TMPDIR: large uploads go to a disk, also where /tmp is memory.
ENV PATH=/opt/project/bin:$PATH \
    PIP_NO_CACHE_DIR=1 \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    TMPDIR=/var/lib/static-host/spool \
    DJANGO_PYTHON=python \
    DJANGO_SITE_DATA=/var/lib/static-host/data \
    DJANGO_STATIC_CACHE=/var/cache/static-host \
    DJANGO_STATIC_ROOT=/var/lib/static-host/tree
COPY --from=environment /opt/static-host /opt/static-host
RUN --mount=type=bind,from=wheel,source=/wheel,target=/wheel \
    /opt/static-host/bin/pip install --no-deps --no-index /wheel/*.whl \
 && ln -s /opt/static-host/bin/static-host /usr/local/bin/static-host

USER 10001:10001
# The cache is a mount, so no layer has it. Without the mount it is not writable, and the build works without it.
RUN --mount=type=cache,target=/var/cache/static-host,uid=10001,gid=10001 static-host build

VOLUME /var/lib/static-host/spool
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["/opt/static-host/bin/python", "-I", "-m", "static_host.server.health_check"]
CMD ["static-host", "serve"]

# `make image` prunes by title. Images built on this one inherit its labels. ONBUILD gives them another title, so that
# they are never pruned, and clears the licence.
LABEL org.opencontainers.image.title="django-static-host" \
      org.opencontainers.image.description="Serves a Django project and its precompressed static files behind any CDN" \
      org.opencontainers.image.licenses="MIT"
ONBUILD LABEL org.opencontainers.image.title="a project on django-static-host" \
              org.opencontainers.image.licenses=""
