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
from components.records import Hypothesis, Utterance
from components.run_record import StageRef
from components.setting_files import SETTING_FILES
from components.storage.stages.reader import read_nbests, read_utterances
from components.text.languages import UNDETERMINED


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
        if is_output or pipeline.is_scored(name):
            language = None if pipeline.is_spoken(name) else pipeline.language_of(name)
            prefix = "" if is_output else f"{name}_"
            selected.append(TextsToScore(prefix, stages[pipeline.speech_of(name)], stages[name], language))
    return sorted(selected, key=lambda entry: entry.prefix != "")


def find_terms(pipeline: Pipeline) -> tuple[tuple[str, str], ...]:
    """Return source and target of the terms of all lists that nodes of a pipeline have, each once."""
    paths = dict.fromkeys(path for node in pipeline if (path := node.facts.files.get("terms")) is not None)
    rows = (term for path in paths for term in SETTING_FILES["terms"](Path(path)))
    return tuple(dict.fromkeys((term.source, term.target) for term in rows))


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
    utterances = [utterance for entry in entries for utterance in read_utterances(entry.data)]
    best = {nbest.utterance_id: nbest.best for entry in entries for nbest in read_nbests(entry.texts)}
    return align_records(
        utterances,
        best,
        Languages(entries[0].language, target_language),
        sum(entry.data.items for entry in entries),
        with_references=with_references,
        absent=absent,
    )


class Languages(NamedTuple):
    """The languages in which texts are scored.

    Attributes:
        texts: none for transcripts, ``target`` for the language of the references, or a code.
        target: of the run.
    """

    texts: str | None
    target: str | None

    @property
    def output(self) -> Output:
        """Which texts they are."""
        return "transcript" if self.texts is None else "translation"


def align_records(
    utterances: Sequence[Utterance],
    best: Mapping[str, Hypothesis],
    languages: Languages,
    n_total: int,
    *,
    with_references: bool = True,
    absent: Collection[str] = (),
) -> AlignedTexts | None:
    """Return texts beside the references of utterances; None where none has one.

    Args:
        utterances: all of a data set, or of a part of it.
        best: utterance id -> best hypothesis.
        languages: of the texts and of the run.
        n_total: records of the data set, or of the part, those that could not be read among them.
        with_references: as of :func:`align_texts`.
        absent: as of :func:`align_parts`.
    """
    language, output = languages.texts, languages.output
    if output == "transcript":
        units = ScoringUnits(utterances, output, {u.id: u.source_language for u in utterances})
    else:
        targets = {u.id: languages.target or u.target_language or UNDETERMINED for u in utterances}
        scored = [u for u in utterances if language in (TARGET, targets[u.id])]
        units = ScoringUnits(scored, output, targets, with_references=with_references)
    texts = dict.fromkeys(absent, "") | {key: hypothesis.text for key, hypothesis in best.items()}
    turns = {key: output_turns(hypothesis) for key, hypothesis in best.items()}
    segments = units.align(texts, n_total, turns)
    return None if segments is None else AlignedTexts(output, segments, units)
