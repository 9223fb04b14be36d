FROM python:3.12-slim

WORKDIR /app
COPY pyproject.toml requirements.lock README.md LICENSE ./
COPY src src
RUN pip install --no-cache-dir --no-compile -c requirements.lock ".[serve]"

RUN useradd --uid 10001 --create-home recloop && mkdir /data && chown recloop /data
USER recloop
WORKDIR /data
VOLUME /data

# RECLOOP_API_KEY must be given: a service that others can reach does not start without it.
ENV OPENBLAS_NUM_THREADS=1
ENV NUMBA_CACHE_DIR=/data/.numba
ENV RECLOOP_SERVE__HOST=0.0.0.0
ENV RECLOOP_SERVE__PORT=8000
ENV RECLOOP_SERVE__LOG_FORMAT=json
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s CMD ["recloop", "doctor", "--service", "http://127.0.0.1:8000"]
CMD ["recloop", "serve", "--example"]
