"""A first pipeline for one's own data, as a commented file: what `antiphon init` writes.

What the data say (recordings or texts, languages, references) and what is on this machine decides which nodes
and models there are; the file is meant to be edited.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from components.errors import ConfigError
from components.files.yaml_text import format_yaml
from components.models.packages.packaged_models import PACKAGED_MODELS, settings_of
from components.pipeline.advice.recommended_models import (
    CAPTION_SETS,
    ROWS,
    WHISPER,
    Recommendation,
    explain_missing,
    is_available,
)
from components.records import Utterance
from components.text.languages import UNDETERMINED, is_same_language, is_undetermined, two_letters_of


@dataclass(frozen=True)
class DataFacts:
    """What a data set holds.

    Attributes:
        utterances: how many there are.
        recordings: of them with audio.
        seconds: of audio.
        longest: recording, in seconds.
        sources: languages that are stated, the most frequent first.
        targets: the same of the languages to translate into.
        references: utterances with a translation to compare with.
        transcripts: utterances with a transcript to compare with.
    """

    utterances: int
    recordings: int
    seconds: float
    longest: float
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    references: int
    transcripts: int

    @property
    def has_speech(self) -> bool:
        """Whether there is something to recognize."""
        return self.recordings > 0


def gather_facts(utterances: Iterable[Utterance]) -> DataFacts:
    """Count what a data set holds."""
    all_of_them = list(utterances)
    seconds = [utterance.audio.seconds for utterance in all_of_them if utterance.audio is not None]
    sources = Counter(utterance.source_language for utterance in all_of_them)
    targets = Counter(utterance.target_language for utterance in all_of_them if utterance.target_language)
    return DataFacts(
        len(all_of_them),
        len(seconds),
        sum(seconds),
        max(seconds, default=0.0),
        tuple(code for code, _ in sources.most_common()),
        tuple(code for code, _ in targets.most_common()),
        sum(bool(utterance.references) for utterance in all_of_them),
        sum(utterance.transcript is not None for utterance in all_of_them),
    )


def choose_translator(name: str, facts: DataFacts, target: str) -> Recommendation:
    """Return the packaged model that translates a data set called ``name`` into ``target``.

    Raises:
        ConfigError: none of them does.
    """
    is_captions = name.startswith(CAPTION_SETS)
    tasks = ("translate", "translate_speech") if facts.has_speech else ("translate",)
    sources = [code for code in facts.sources if not is_same_language(code, target)] or [UNDETERMINED]
    rows = ROWS[::-1] if is_captions else [row for row in ROWS if row.is_general]
    rows = [row for task in tasks for row in rows if row.task == task]

    def can(row: Recommendation, source: str) -> bool:
        return row.translates(source, target) and is_available(row, source, target)

    for row in rows:
        if all(can(row, source) for source in sources):
            return row
    missing = [source for source in sources if not any(can(row, source) for row in rows)]
    raise ConfigError(explain_missing((missing or sources)[0], target))


def build_nodes(
    name: str, facts: DataFacts, target: str | None, translator: str | None = None
) -> dict[str, dict[str, Any]]:
    """Build a first pipeline's nodes, by name; without a target language, or in the same, a transcript.

    Args:
        name: of the data set.
        facts: what it holds.
        target: language to translate into.
        translator: its model; None: the packaged one that is recommended.

    Raises:
        ConfigError: nothing can be done with the data, or no packaged model does it.
    """
    nodes: dict[str, dict[str, Any]] = {}
    if facts.has_speech:
        nodes["asr"] = {"kind": "recognize", "model": WHISPER}
    if target is not None and {two_letters_of(code) for code in facts.sources} != {two_letters_of(target)}:
        of = "asr" if facts.has_speech else "data"
        if translator is not None:
            nodes["mt"] = {"kind": "translate", "of": of, "model": translator}
        else:
            row = choose_translator(name, facts, target)
            of = "data" if row.task == "translate_speech" else of
            model = row.reference(facts.sources[0] if facts.sources else UNDETERMINED, target)
            nodes["mt"] = {"kind": row.task, "of": of, "model": model, **settings_of(model)}
    if not nodes:
        raise ConfigError("expected a language to translate the texts into, found none; add --to CODE")
    return nodes


def models_of(nodes: dict[str, dict[str, Any]]) -> list[str]:
    """Return names of the packaged models of a first pipeline."""
    models = dict.fromkeys(str(node["model"]) for node in nodes.values())
    return [model.removeprefix("packaged:") for model in models if model.startswith("packaged:")]


def write_pipeline(
    head: Iterable[str], run: dict[str, Any], facts: DataFacts, nodes: dict[str, dict[str, Any]]
) -> str:
    """Return the text of a pipeline's file.

    Args:
        head: lines of comment to begin with.
        run: parameters of the run: data or audio, languages.
        facts: of the data.
        nodes: by name.
    """
    lines = [*(f"# {line}".rstrip() for line in head), format_yaml(run).rstrip("\n")]
    if all(map(is_undetermined, facts.sources)):
        unset = "detected in each recording if it is not set" if facts.has_speech else "what the texts are in"
        lines.append(f"# source_language: en  # {unset}")
    lines += ["", "nodes:"]
    for name, node in nodes.items():
        lines += [f"  # {line}" for line in _explain(node)]
        lines += [f"  {name}:", *(f"    {line}" for line in format_yaml(node).splitlines())]
        lines += [f"    # {line}" for line in _HINTS[node["kind"]]]
    return "\n".join(lines) + "\n"


_HINTS = {
    "recognize": (
        "beam_size: 1  # greedy: faster, a little worse",
        "model: whisper:large-v3-turbo  # better and slower; fetched when it is first used",
    ),
    "translate": ("model: hub:ORG/NAME  # any translation or language model of the hub",),
    "translate_speech": (),
}
"""Kind of a node -> settings that one may want next."""


def _explain(node: dict[str, Any]) -> list[str]:
    model = str(node["model"])
    if node["kind"] == "recognize":
        return [f"speech -> transcript: {PACKAGED_MODELS[model.removeprefix('packaged:')].description}"]
    reads = "speech" if node["kind"] == "translate_speech" else "text"
    rows = [row for row in ROWS if row.task == node["kind"] and row.names(model)]
    measured = [line for row in rows for line in (row.good_for, f"BLEU by our measure: {row.measured}")]
    return [f"{reads} -> translation", *measured]
