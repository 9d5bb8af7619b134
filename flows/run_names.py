"""Display names of runs in Prefect: the flow, what it reads, and its models or systems."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from pydantic import BaseModel

from components.files.redaction import redact
from components.stage_settings import AUTO_MODEL

_SOURCE_PARAMETERS = ("audio", "runs", "run", "draft", "recipe", "data")
"""Parameters that say what a flow reads; the first that is set."""
_SUFFIX = re.compile(r"\.(jsonl|json|tsv|csv|txt|wav|flac|mp3|ogg|ya?ml)$")
_MAX_MODELS = 3
_MAX_LENGTH = 100


def describe_run(flow: str, parameters: Mapping[str, Any]) -> str:
    """Return the run's own name if it has one, else such as ``cascade talks whisper-base multi30k-en-de``."""
    name = parameters.get("name")
    if name:
        return str(name)
    reads = next((parameters[key] for key in _SOURCE_PARAMETERS if parameters.get(key)), ())
    sources = [reads] if isinstance(reads, str) else list(reads)
    systems = [str(dict(system)["name"]) for system in parameters.get("systems", ())]
    models = dict.fromkeys(() if systems else _iterate_models(parameters))
    names = dict.fromkeys(map(_shorten, [*sources, *systems, *islice(models, _MAX_MODELS)]))
    return " ".join([str(parameters.get("title") or flow), *names])[:_MAX_LENGTH]


def _shorten(reference: str) -> str:
    """The last part of a path, of a model's reference, of the first of several files or of a recipe."""
    first = redact(reference).split("\n", maxsplit=1)[0].partition(",")[0].partition("?")[0].rstrip("/")
    name = _SUFFIX.sub("", first.rpartition("/")[2].partition("@")[0])
    return re.sub(r"^(packaged|whisper|store|sphinx):", "", name)


def _iterate_models(values: object) -> Iterator[str]:
    """Yield every model that parameters name, in their order."""
    fields = dict(values) if isinstance(values, BaseModel) else values
    if isinstance(fields, Mapping):
        for name, value in fields.items():
            if name == "model" and isinstance(value, str):
                yield from () if value == AUTO_MODEL else (value,)
            elif name == "members" and isinstance(value, Sequence):
                yield from map(str, value)
            else:
                yield from _iterate_models(value)
