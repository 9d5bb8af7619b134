"""What of a pipeline is scored, and each text beside its references."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from components.metrics.error_rates.turns import output_turns
from components.metrics.metric import Output, Segments
from components.metrics.scoring_units import ScoringUnits
from components.pipeline.pipeline import DATA, TARGET, Pipeline
from components.records import Utterance
from components.run_record import StageRef
from components.storage.stages.reader import read_nbests, read_utterances
from components.text.languages import UNDETERMINED
from components.text.term_list import Term, read_terms


class TextsToScore(NamedTuple):
    """A stage of texts to score.

    Attributes:
        prefix: of the names of its scores.
        data: its utterances.
        texts: the stage.
        language: none for transcripts, ``target`` for the language of the references, or a code.
    """

    prefix: str
    data: StageRef
    texts: StageRef
    language: str | None


@dataclass(frozen=True)
class AlignedTexts:
    """Texts beside their references: the segments, and what they are units of."""

    output: Output
    segments: Segments
    units: ScoringUnits


def find_texts_to_score(pipeline: Pipeline, stages: Mapping[str, StageRef]) -> list[TextsToScore]:
    """Return the nodes of a pipeline that are scored: its outputs first, then the other texts."""
    selected = []
    for node in pipeline:
        name = node.name
        if node.output != "text" or name not in stages or pipeline.data_of(name) != DATA:
            continue
        is_output = name in pipeline.outputs.values()
        if is_output or node.facts.is_scored:
            language = None if pipeline.is_spoken(name) else pipeline.language_of(name)
            prefix = "" if is_output else f"{name}_"
            selected.append(TextsToScore(prefix, stages[pipeline.speech_of(name)], stages[name], language))
    return sorted(selected, key=lambda entry: entry.prefix != "")


def find_terms(pipeline: Pipeline) -> tuple[Term, ...]:
    """Return the terms of all lists that nodes of a pipeline have, each once."""
    paths = dict.fromkeys(path for node in pipeline if (path := node.facts.files.get("terms")) is not None)
    terms = {(term.source, term.target): term for path in paths for term in read_terms(Path(path))}
    return tuple(terms.values())


def align_texts(
    entry: TextsToScore, target_language: str | None, *, with_references: bool = True
) -> AlignedTexts | None:
    """Return a stage's texts beside their references; long recordings count by their reference segments.

    Args:
        entry: the stage.
        target_language: of the run.
        with_references: whether only what has references is taken; else all, for quality estimation.
    """
    return align_parts([entry], target_language, with_references=with_references)


def align_parts(
    entries: Sequence[TextsToScore],
    target_language: str | None,
    *,
    with_references: bool = True,
    absent: Collection[str] = (),
) -> AlignedTexts | None:
    """Return the texts of a node over several parts of a data set as :func:`align_texts` those of one.

    Args:
        entries: a stage per part; they are alike but for the data.
        target_language: of the run.
        with_references: as of :func:`align_texts`.
        absent: ids of utterances that count as if their text was empty, instead of being left out.
    """
    language = entries[0].language
    output: Output = "transcript" if language is None else "translation"
    utterances = [utterance for entry in entries for utterance in read_utterances(entry.data)]
    if output == "transcript":
        units = ScoringUnits(utterances, output, {u.id: u.source_language for u in utterances})
    else:
        languages = {u.id: _target_language_of(u, target_language) for u in utterances}
        scored = [u for u in utterances if language in (TARGET, languages[u.id])]
        units = ScoringUnits(scored, output, languages, with_references=with_references)
    best = {nbest.utterance_id: nbest.best for entry in entries for nbest in read_nbests(entry.texts)}
    texts = dict.fromkeys(absent, "") | {key: hypothesis.text for key, hypothesis in best.items()}
    turns = {key: output_turns(hypothesis) for key, hypothesis in best.items()}
    segments = units.align(texts, sum(entry.data.items for entry in entries), turns)
    return None if segments is None else AlignedTexts(output, segments, units)


def _target_language_of(utterance: Utterance, target_language: str | None) -> str:
    return target_language or utterance.target_language or UNDETERMINED
