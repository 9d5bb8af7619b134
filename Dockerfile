# A worker: Antiphon with its models' clients, for the Prefect pool "antiphon". See docs/use/scaling.md and cluster.md.
FROM python:3.11-slim
# LightGBM, of gradient-boosted estimators, reads the OpenMP library of the system; KubeRay asks pods with wget.
RUN apt-get update && apt-get install --yes --no-install-recommends libgomp1 wget && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE prefect.yaml ./
COPY antiphon antiphon
COPY components components
COPY tasks tasks
COPY flows flows
COPY reports reports
COPY automations automations
RUN pip install --no-cache-dir --constraint constraints.txt --editable '.[ray,gguf,boosting,cmaes]' "ray[default]"
# Nothing here needs root: the volumes of compose.yaml begin with the owner of these folders.
RUN useradd --create-home --uid 10001 antiphon && install -d -o antiphon -g antiphon /cache /store
USER antiphon
# PWD: where prefect.yaml tells a run to go.
ENV ANTIPHON_CACHE=/cache ANTIPHON_STORE=/store PWD=/app
CMD ["prefect", "worker", "start", "--pool", "antiphon", "--type", "process", "--limit", "1"]
