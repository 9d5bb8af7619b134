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
from components.languages import base_of, is_undetermined
from components.models.packaged_models import PACKAGED_MODELS
from components.records import Utterance
from components.translation.recommended_models import (
    ROWS,
    WHISPER,
    Recommendation,
    explain_missing,
)
from components.yaml_text import format_yaml

CAPTIONS = ("sample", "multi30k:")
"""Beginnings of the names of data sets whose texts are image captions, which the model of captions knows."""


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
    """The packaged model that translates a data set called ``name`` into ``target``.

    Raises:
        ConfigError: none of them does.
    """
    is_captions = name.startswith(CAPTIONS)
    readable = ("text", "speech") if facts.has_speech else ("text",)
    sources = [code for code in facts.sources if base_of(code) != base_of(target)] or ["und"]
    rows = ROWS[::-1] if is_captions else [row for row in ROWS if row.is_general]
    for reads in readable:
        for row in rows:
            if row.reads == reads and all(row.translates(source, target) for source in sources):
                return row
    missing = next(code for code in sources if not any(row.translates(code, target) for row in rows))
    raise ConfigError(explain_missing(missing, target))


def build_nodes(
    name: str, facts: DataFacts, target: str | None, translator: str | None = None
) -> dict[str, dict[str, Any]]:
    """The nodes of a first pipeline, by name; without a target language, or with the same, a transcript.

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
    if target is not None and {base_of(code) for code in facts.sources} != {base_of(target)}:
        of = "asr" if facts.has_speech else "data"
        if translator is not None:
            nodes["mt"] = {"kind": "translate", "of": of, "model": translator}
        else:
            row = choose_translator(name, facts, target)
            kind, of = ("translate_speech", "data") if row.reads == "speech" else ("translate", of)
            nodes["mt"] = {"kind": kind, "of": of, "model": row.model, **row.settings}
    if not nodes:
        raise ConfigError("expected a language to translate the texts into, found none; add --to CODE")
    return nodes


def models_of(nodes: dict[str, dict[str, Any]]) -> list[str]:
    """Names of the packaged models of a first pipeline."""
    models = dict.fromkeys(str(node["model"]) for node in nodes.values())
    return [model.removeprefix("packaged:") for model in models if model.startswith("packaged:")]


def write_pipeline(
    head: Iterable[str], run: dict[str, Any], facts: DataFacts, nodes: dict[str, dict[str, Any]]
) -> str:
    """The text of a pipeline's file.

    Args:
        head: lines of comment to begin with.
        run: parameters of the run: data or audio, languages.
        facts: of the data.
        nodes: by name.
    """
    lines = [*(f"# {line}".rstrip() for line in head), format_yaml(run).rstrip("\n")]
    if not any(not is_undetermined(code) for code in facts.sources):
        lines.append("# source_language: en  # detected in each recording if it is not set")
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
    rows = [row for row in ROWS if (row.model, row.reads) == (model, reads)]
    measured = [line for row in rows for line in (row.good_for, f"BLEU by our measure: {row.measured}")]
    return [f"{reads} -> translation", *measured]
