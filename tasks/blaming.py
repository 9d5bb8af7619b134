"""The ``blame`` stage: texts put right, wholly and in parts, and everything below them run again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from prefect import get_run_logger, task
from prefect.client.schemas.objects import State

from components import metrics
from components.errors import DataError
from components.files import read_json, write_bytes, write_json
from components.metrics.blaming import NOTHING, BlameReport, Case, blame_cases
from components.pipeline.pipeline import DATA, Pipeline
from components.pipeline.rewriting import names_in_union, unite
from components.pipeline.substitution import GOLD, SEGMENTS, chain_of, stages_of, variants_of
from components.records import StageRef
from components.storage.reader import best_texts, utterances
from components.storage.stage_plan import StagePlan, content_of, library_versions
from components.storage.stage_writer import Product, compute_once
from components.storage.store import Store
from reports import blaming
from tasks import data as loading
from tasks.artifacts import publish_table
from tasks.executor import execute
from tasks.metrics import LIBRARIES
from tasks.options import NOT_STORED, shown, value_of

BLAME, VALUES = "blame.json", "utterances.jsonl"


def check(pipeline: Pipeline, data: StageRef) -> None:
    """Before any long work: whether there will be anything to blame.

    Raises:
        ConfigError: no node above the output has a known gold.
        DataError: no utterance has the references that this takes.
    """
    spoken = bool(chain_of(pipeline).transcripts)
    if not any(any(u.references) and (not spoken or (u.audio and u.transcript)) for u in utterances(data)):
        raise DataError(NOTHING)


def run(
    pipeline: Pipeline, stages: Mapping[str, StageRef], seed: int, store: str | None, segments: str | None = None
) -> StageRef:
    """Blame a finished system: run it again on gold texts, as one graph in which what is known is reused.

    Args:
        stages: of the run, by node.
        segments: a manifest of the same recordings cut by hand, to blame how they were cut as well.
    """
    chain = chain_of(pipeline)
    variants = variants_of(pipeline, chain, segments)
    union = unite({_prefix(name): variant for name, variant in variants.items()})
    sets = {DATA: stages[DATA]}
    for name in union.data_nodes():
        own = name.name.rpartition("--")[2]
        if own == SEGMENTS:
            languages = pipeline.languages
            sets[name.name] = value_of(loading.load(segments, None, *languages, None, store))
        else:
            sets[name.name] = stages[own]
    executed = execute(union, sets, store, seed)
    executed.refuse()
    outputs, golds = {}, {}
    for name, variant in variants.items():
        part = executed.of_system(variant, names_in_union(_prefix(name), variant))
        last = part.stages.get(part.outputs["translation"])
    raise NotImplementedError


def _prefix(variant: str) -> str:
    """The name of a variant in the names of nodes."""
    return variant.replace("+", "-and-")
