# One image for the processes of compose.yaml. Build: docker compose build
FROM python:3.11-slim
WORKDIR /app
COPY requirements.lock pyproject.toml README.md LICENSE ./
RUN python -m pip install --no-cache-dir --no-deps -r requirements.lock
COPY dagster.yaml workspace.yaml ./
COPY synapse_assets synapse_assets
RUN python -m pip install --no-cache-dir --no-deps --no-build-isolation --editable .
# Nothing in here needs root.
RUN useradd --create-home synapse && mkdir /local && chown synapse /local
USER synapse
ENV SYNAPSE_LOCAL_ROOT=/local PYTHONUNBUFFERED=1
ENTRYPOINT ["synapse-assets"]
