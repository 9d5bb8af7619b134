"""Antiphon in Python: load data, run pipelines of models, read what every node gave, score, compare, merge.

>>> import antiphon
>>> data = antiphon.load_data("sample", limit=2)
>>> [utterance.transcript for utterance in data.utterances][0]
'Two boys build a snow wall in front of their house.'

The page docs/use/python.md goes through all of it. These names stay; what lies in ``components``,
``reports``, ``tasks`` and ``flows`` may move.
"""

from antiphon._kinds import node_kind
from antiphon._merging import merge_models
from antiphon._run import Run
from antiphon._runs import (
    compare_runs,
    list_runs,
    load_run,
    run_flow,
    run_pipeline,
    transcribe,
    translate,
)
from antiphon._scoring import score_transcripts, score_translations
from components.data import Dataset
from components.data import from_audio as load_audio
from components.data import load as load_data
from components.errors import AntiphonError
from components.nodes.kind import Kind
from components.nodes.node_context import Item, NodeContext, NodeSettings
from components.pipeline.pipeline import Pipeline
from components.pipeline.reading.reader import read_pipeline
from components.records import Hypothesis, NBest, Quarantined, Route, Utterance
from components.run_record import Score

__all__ = [
    "AntiphonError",
    "Dataset",
    "Hypothesis",
    "Item",
    "Kind",
    "NBest",
    "NodeContext",
    "NodeSettings",
    "Pipeline",
    "Quarantined",
    "Route",
    "Run",
    "Score",
    "Utterance",
    "compare_runs",
    "list_runs",
    "load_audio",
    "load_data",
    "load_run",
    "merge_models",
    "node_kind",
    "read_pipeline",
    "run_flow",
    "run_pipeline",
    "score_transcripts",
    "score_translations",
    "transcribe",
    "translate",
]
