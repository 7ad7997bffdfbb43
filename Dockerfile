# longdoc with its web page, on a CPU: PyTorch's CPU build, the default models inside, no root.
# A reasoner on a GPU is a service of its own: see docker-compose.yml.
FROM python:3.11-slim-bookworm

ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 \
    VENV=/opt/longdoc TORCH_INDEX=${TORCH_INDEX} \
    LONGDOC_HOME=/data LONGDOC_MODELS=/models

RUN apt-get update \
    && apt-get install -y --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 longdoc \
    && install -d -o longdoc -g longdoc /data /models /opt/longdoc /app

USER longdoc
WORKDIR /app
COPY --chown=longdoc . .
RUN sh scripts/install.sh base
ENV PATH=/opt/longdoc/bin:$PATH
# Baked in, so that the container needs no network when it runs.
RUN longdoc models pull qwen2.5-coder-1.5b all-minilm-l6-v2

VOLUME /data
EXPOSE 8501
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s CMD \
    ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]
CMD ["longdoc", "ui", "--address", "0.0.0.0", "--port", "8501"]
