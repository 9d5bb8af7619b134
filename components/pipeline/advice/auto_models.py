"""``model: auto``: nodes that take the best model that this machine can run for the languages of the data."""

from __future__ import annotations

import copy
import operator
from collections.abc import Mapping
from functools import reduce
from typing import Any, NamedTuple

from components.errors import ConfigError
from components.models.packages.packaged_models import settings_of
from components.nodes.kind import KINDS
from components.nodes.node_context import LanguagePairs
from components.pipeline.advice.recommended_models import (
    CAPTION_SETS,
    Recommendation,
    Task,
    explain_captions,
    explain_missing,
    recommend,
)
from components.pipeline.pipeline import DATA, Node, Pipeline
from components.pipeline.reading.reader import read_pipeline
from components.pipeline.steps.auto import is_auto
from components.pipeline.written import values_of
from components.run_record import RunRecord
from components.stage_settings import AUTO_MODEL
from components.text.languages import UNDETERMINED, english_name


class AutoChoice(NamedTuple):
    """What models are chosen by.

    Attributes:
        pairs: source and target languages of the data.
        source: name of the data set; None of recordings.
        anyway: whether a model of another domain is taken where there is no other.
    """

    pairs: LanguagePairs
    source: str | None = None
    anyway: bool = False


def choose_models(pipeline: Pipeline, by: AutoChoice) -> tuple[Pipeline, list[str]]:
    """Return the pipeline with a model in every node that leaves it open, and a line about each.

    Raises:
        ConfigError: there is none for the languages, none but one of another domain, or one model cannot be
            for all of them.
    """
    chosen = dict[tuple[str, ...], tuple[Recommendation, str]]()
    for node in pipeline:
        if is_auto(node.values) and (where := _path_of(pipeline, node)) not in chosen:
            chosen[where] = _choose(pipeline, node, by)
    models = {where: model for where, (_, model) in chosen.items()}
    notes = []
    for model, row in {model: row for row, model in chosen.values()}.items():
        names = ", ".join(".".join(where) for where, other in models.items() if other == model)
        notes.append(f"{names}: model auto is {model}: {row.good_for}; BLEU {row.measured}")
    return _write_models(pipeline, models), notes


def recall_models(pipeline: Pipeline, run: RunRecord) -> Pipeline:
    """Return the pipeline of a run with the models that were chosen then, whatever this machine has now."""
    models = {node.name: node.models.get("model", AUTO_MODEL) for node in run.pipeline.nodes}
    nodes = (node for node in pipeline if is_auto(node.values) and node.name in models)
    return _write_models(pipeline, {_path_of(pipeline, node): models[node.name] for node in nodes})


def _write_models(pipeline: Pipeline, models: Mapping[tuple[str, ...], str]) -> Pipeline:
    """Return the pipeline with a model in every written node that ``models`` names."""
    if not models:
        return pipeline
    values = copy.deepcopy(values_of(pipeline))
    for where, model in models.items():
        written = reduce(operator.getitem, where, values["nodes"])
        for key in _usual_settings(written, model):
            del written[key]
        written["model"] = model
    translator = next((model for model in models.values()), AUTO_MODEL)
    for written in values["nodes"].values():  # what takes the model of the translator
        same = [key for key, value in written.items() if key.endswith("_model") and value == AUTO_MODEL]
        written.update(dict.fromkeys(same, translator))
    return read_pipeline(values, folder=pipeline.folder).keep(pipeline.nodes)  # of a part, that part


def _path_of(pipeline: Pipeline, node: Node) -> tuple[str, ...]:
    """Return the keys that lead to a node in the written nodes; those of a loop are in its body."""
    if node.name in pipeline.definitions:
        return (node.name,)
    return pipeline.source_keys[node.name][1:]


def _usual_settings(written: Mapping[str, Any], model: str) -> list[str]:
    """Return the settings that a model has other values of, written as usual, as a preset writes all."""
    own, fields = settings_of(model), KINDS[written["kind"]].settings.model_fields
    usual = [key for key in written.keys() & fields.keys() if written[key] == fields[key].default]
    return [key for key in usual if key in own or (key == "n_best" and "beam_size" in own)]


def _choose(pipeline: Pipeline, node: Node, by: AutoChoice) -> tuple[Recommendation, str]:
    task: Task = node.kind.name  # type: ignore[assignment]  # is_auto saw that it is one
    met: LanguagePairs = pipeline.pairs_of(node, by.pairs) or frozenset({(UNDETERMINED, None)})
    if task == "translate" and by.pairs:
        met = frozenset(pair for pair in met if pair[1] is not None)
    data = pipeline.data_of(node.name)
    source: Any = by.source if data == DATA else pipeline.nodes[data].values.get("source")
    captions = str(source or "").startswith(CAPTION_SETS)
    name = pipeline.user_name_of(node.name)
    if not met:
        raise ConfigError(f"{name}: expected a target language, found none: set target_language")
    try:
        chosen = [
            choose_translator(*pair, captions=captions, anyway=by.anyway)
            if task == "translate" and pair[1] is not None
            else _choose_other(task, *pair)
            for pair in sorted(met, key=str)
        ]
    except ConfigError as error:
        raise ConfigError(f"{name}.model: {error}") from None
    rows = {model: row for row, model in chosen}
    if len(rows) > 1:
        models = ", ".join(rows)
        raise ConfigError(f"{name}.model: expected one model for all languages of the data, found {models}")
    model, row = rows.popitem()
    return row, model


def choose_translator(
    source: str, target: str | None, *, captions: bool = False, anyway: bool = False
) -> tuple[Recommendation, str]:
    """Return the best row of the table that this machine can run for two languages, and its model.

    Args:
        source: language code, ``und`` if it is not known.
        target: language code.
        captions: whether the texts are captions of photos.
        anyway: whether a model of captions is taken for other texts where there is no other.

    Raises:
        ConfigError: there is none, or none but that.
    """
    assert target is not None
    row = recommend("translate", source, target, captions=captions)
    if row is None:
        row = recommend("translate", source, target, captions=True)
        if row is None:
            raise ConfigError(explain_missing(source, target))
        if not anyway:
            raise ConfigError(explain_captions(source, target))
    return row, row.reference(source, target)


def _choose_other(task: Task, source: str, target: str | None) -> tuple[Recommendation, str]:
    row = recommend(task, source, target)
    if row is not None:
        return row, row.reference(source, target)
    language = f" into {english_name(target)}" if target is not None else ""
    raise ConfigError(f"expected a model that can {task.replace('_', ' ')}{language}, found none")
