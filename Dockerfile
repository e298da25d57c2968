# One image for the web server and the worker, see compose.yaml. Its settings are
# environment variables.

FROM python:3.13-slim-trixie AS packages
# Optional packages: broker, s3, login, sentry, tracing, or several separated by spaces.
ARG OPTIONAL=""
COPY requirements.txt /
COPY djtranscribe/worker/requirements.txt /broker.txt
COPY caller/recordings/requirements.txt /s3.txt
COPY djtranscribe/accounts/requirements.txt /login.txt
COPY djtranscribe/sentry-requirements.txt /sentry.txt
COPY djtranscribe/tracing-requirements.txt /tracing.txt
RUN python -m venv /venv \
    && for name in requirements $OPTIONAL; do \
        /venv/bin/pip install --no-cache-dir --requirement "/$name.txt" || exit 1; \
    done

FROM python:3.13-slim-trixie
# `backup` and `restore` need pg_dump, pg_restore and psql. pg_dump refuses a server of a newer
# major version, so this is the version of the server in compose.yaml. (Debian trixie has
# version 17. The release before it has only 15.) The minor version cannot be pinned, because
# Debian keeps only the newest one.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends postgresql-client-17 \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 10001 --create-home djtranscribe \
    && install --directory --owner 10001 /app/media /backups
WORKDIR /app
COPY --from=packages /venv /venv
COPY manage.py LICENSE ./
COPY djtranscribe djtranscribe
COPY caller caller
COPY transcription transcription
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
VOLUME /app/media /backups
EXPOSE 8000
# Every answer counts as healthy, even 503: /healthz says 503 while a vendor is paused, and
# then a restart does not help.
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s CMD ["python", "-c", \
    "from http.client import HTTPConnection as C; c = C('127.0.0.1', 8000, timeout=4); c.request('GET', '/healthz'); c.getresponse()"]
CMD ["gunicorn", "djtranscribe.wsgi", "--bind", "0.0.0.0:8000", "--threads", "8"]
