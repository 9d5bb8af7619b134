# A worker: Antiphon with its models' clients, for the Prefect pool "antiphon". See docs/scaling.md.
FROM python:3.11-slim
WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE prefect.yaml ./
COPY components components
COPY tasks tasks
COPY flows flows
COPY reports reports
COPY automations automations
RUN pip install --no-cache-dir --constraint constraints.txt --editable '.[s3,dask,ray]'
# PWD: where prefect.yaml tells a run to go.
ENV ANTIPHON_CACHE=/cache PWD=/app
CMD ["prefect", "worker", "start", "--pool", "antiphon", "--type", "process", "--limit", "1"]
