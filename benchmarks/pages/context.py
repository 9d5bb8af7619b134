"""Do the sentences before one help its translation?"""

from __future__ import annotations

from typing import Any, NamedTuple

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import format_difference, format_score, markdown_table, one_paragraph
from benchmarks.common.text_statistics import read_statistics
from components.metrics.statistics.significance import Difference, compare_to_baseline

NONE = "no context"


class System(NamedTuple):
    """A translator, the number of segments that it translates, and its contexts by name."""

    title: str
    settings: dict[str, Any]
    segments: int
    contexts: dict[str, dict[str, Any]]


SYSTEMS = {
    "marian": System(
        "`packaged:multi30k-en-de`, trained on single captions",
        {"model": "packaged:multi30k-en-de"},
        1000,
        {
            "1 sentence, source and target": {"sentences": 1},
            "2 sentences, source and target": {"sentences": 2},
            "2 sentences, target": {"sentences": 2, "source": False},
        },
    ),
    "causal": System(
        "`packaged:qwen2.5-coder-0.5b`, chat prompt, greedy, the first segments",
        {"model": "packaged:qwen2.5-coder-0.5b", "beam_size": 1, "max_tokens": 48, "dtype": "bfloat16"},
        24,
        {"2 sentences, source and target": {"sentences": 2}},
    ),
}
INTRODUCTION = """\
Sentences that have nothing to do with each other, and models that were never trained with context: {result}.
The first has only ever seen one caption at a time. Two are longer than what it knows, and with the
translations of the context as its first tokens it does not find the place in the source where it is to go
on: a model of sentences cannot be given context by joining them. A chat model reads it as further examples,
which here neither help nor harm. This says nothing of talks, whose sentences belong together, or of models
that were trained on documents: for those, measure on a development set of your own.

The transcript of one recording ([long recordings](long-recording.md): unrelated spoken captions, Whisper
base), each reference segment a part of one document; beam 5 where nothing else is said. 95% intervals over
segments; one recording, so they say nothing of others."""


def page(measurements: Measurements) -> str:
    """A table per model."""
    texts = INTRODUCTION.format(result=_result(measurements)).split("\n\n")
    parts = ["# Context of the sentences before", *map(one_paragraph, texts)]
    for name, system in SYSTEMS.items():
        parts += _describe(system, measurements[name])
    return "\n\n".join(parts)


def headline(measurements: Measurements) -> tuple[str, str]:
    """The row of the list of results."""
    question = "Do the sentences before one help models that were trained without them?"
    return question, f"On unrelated captions as one recording: {_result(measurements)}"


def _tests(measured: dict[str, Any]) -> dict[str, Difference]:
    """Setting -> its difference in chrF to no context."""
    tables = read_statistics(measured["statistics"])
    tests = compare_to_baseline({name: {"chrf": own["chrf"]} for name, own in tables.items()}, NONE)
    return {test.system: test for test in tests}


def _result(measurements: Measurements) -> str:
    parts = []
    for name, model in (("marian", "an encoder-decoder model"), ("causal", "a chat model")):
        setting = "2 sentences, source and target"
        parts.append(f"{model} {format_difference(_tests(measurements[name])[setting])} chrF")
    return f"two sentences before, source and target: {', '.join(parts)}"


def _describe(system: System, measured: dict[str, Any]) -> list[str]:
    tests, rows = _tests(measured), []
    for setting, tables in read_statistics(measured["statistics"]).items():
        scores = {metric: table.to_score() for metric, table in tables.items()}
        cells = [format_score(scores["bleu"]), format_score(scores["chrf"])]
        rows.append([setting, *cells, format_difference(tests.get(setting))])
    return [
        f"## {system.title}",
        f"{scores['bleu'].n} segments.",
        markdown_table(["context", "BLEU", "chrF", "chrF, difference to no context"], rows),
        f"BLEU `{scores['bleu'].signature}`, chrF `{scores['chrf'].signature}`",
    ]
