"""``model: auto``: nodes that take the best model that this machine has for the languages of the data."""

from __future__ import annotations

from components.errors import ConfigError
from components.nodes.node_context import LanguagePairs
from components.pipeline.advice.recommended_models import (
    Recommendation,
    Task,
    explain_missing,
    recommend,
)
from components.pipeline.pipeline import Pipeline
from components.pipeline.rewriting import update_node
from components.pipeline.steps.auto import is_auto
from components.text.languages import UNDETERMINED, english_name


def choose_models(pipeline: Pipeline, pairs: LanguagePairs) -> tuple[Pipeline, list[str]]:
    """Return the pipeline with a model in every node that leaves it open, and a line about each.

    Args:
        pipeline: any.
        pairs: source and target languages of the data.

    Raises:
        ConfigError: there is none for the languages, or one model cannot be for all of them.
    """
    notes = []
    for name, values in dict(pipeline.definitions).items():
        if is_auto(values):
            row, model = _choose(pipeline, name, pairs)
            settings = {key: value for key, value in row.settings.items() if key not in values}
            pipeline = update_node(pipeline, name, model=model, **settings)
            notes.append(f"{name}: model auto is {model}: {row.good_for}")
    return pipeline, notes


def _choose(pipeline: Pipeline, name: str, pairs: LanguagePairs) -> tuple[Recommendation, str]:
    node = pipeline.nodes[pipeline.aliases.get(name, name)]
    task: Task = node.kind.name  # type: ignore[assignment]  # is_auto saw that it is one
    met = pipeline.pairs_of(node, pairs) or {(UNDETERMINED, None)}
    try:
        rows = {model: row for row, model in (_choose_for(task, *pair) for pair in sorted(met, key=str))}
    except ConfigError as error:
        raise ConfigError(f"{name}.model: {error}") from None
    if len(rows) > 1:
        models = ", ".join(rows)
        raise ConfigError(f"{name}.model: expected one model for all languages of the data, found {models}")
    model, row = rows.popitem()
    return row, model


def _choose_for(task: Task, source: str, target: str | None) -> tuple[Recommendation, str]:
    row = recommend(task, source, target)
    if row is not None:
        return row, row.reference(source, target)
    if task == "translate" and target is not None:
        raise ConfigError(explain_missing(source, target))
    language = f" into {english_name(target)}" if target is not None else ""
    raise ConfigError(f"expected a model that can {task.replace('_', ' ')}{language}, found none")
