"""Pages of one translator: its arithmetic, its domain, pruning, context, another tokenizer beside it."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any, NamedTuple

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import (
    format_difference,
    format_rows,
    format_score,
    format_share,
    markdown_table,
)
from benchmarks.common.text_statistics import Tables, read_statistics
from benchmarks.pages.page import Page, part
from components.metrics.statistics.significance import Difference, compare_to_baseline

MODEL = "packaged:multi30k-en-de"
DTYPES = ("float32", "bfloat16", "int8")
ONE, ENSEMBLE = "one model", "ensemble"
NONE = "no context"
FIRST, SECOND, RISK = "first alone", "second alone", "minimum Bayes risk"
TEXT, OTHERS = "text, 0.5 and 0.5", ("union, linear", "intersection, log-linear", RISK)
SETS = {"captions": "Captions", "tatoeba": "Plain sentences"}
SOURCES = {
    "captions": "The first {n} of Multi30k's test_2016_flickr: what the first model was made for.",
    "tatoeba": "{n} of Tatoeba's pairs, evenly spaced: what it was not made for.",
}
Tests = Mapping[tuple[str, str], Difference]
"""System and metric -> its difference to the baseline."""


class System(NamedTuple):
    """A translator, the number of segments that it translates, and its contexts by name."""

    title: str
    settings: dict[str, Any]
    segments: int
    contexts: dict[str, dict[str, Any]]


SYSTEMS = {
    "marian": System(
        "`packaged:multi30k-en-de`, trained on single captions",
        {"model": MODEL},
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


def _scored(tables: Tables, tests: Tests, system: str) -> list[str]:
    """A system's scores, each with its difference to the baseline."""
    return [
        cell
        for metric, table in tables.items()
        for cell in (format_score(table.to_score()), format_difference(tests.get((system, metric))))
    ]


def _float32(name: str) -> str:
    """The system of ``name`` in float32."""
    return f"{name.rpartition(', ')[0]}, float32"


def _share(seconds: Mapping[str, list[float]], name: str) -> float:
    """CPU seconds over those of float32."""
    rounds = zip(seconds[name], seconds[_float32(name)], strict=True)
    return statistics.median(own / float32 for own, float32 in rounds)


def _to_float32(values: Any) -> Tests:
    tables = read_statistics(values["statistics"])
    families = [
        compare_to_baseline({n: t for n, t in tables.items() if _float32(n) == baseline}, baseline)
        for baseline in dict.fromkeys(map(_float32, tables))
    ]
    return {(test.system, test.metric): test for family in families for test in family}


def _arithmetic(values: Any) -> str:
    score = read_statistics(values["statistics"])[f"{ONE}, float32"]["bleu"].to_score()
    parts = [
        f"{name} {format_difference(test)} at {_share(values['seconds'], name):.2f} of the time"
        for (name, metric), test in _to_float32(values).items()
        if metric == "bleu"
    ]
    return (
        f"{format_score(score)} BLEU on {score.n:,} of {score.n_total:,} captions of test_2016_flickr "
        f"(sacreBLEU 13a, beam 5); BLEU against float32: {'; '.join(parts)}"
    )


def _arithmetic_facts(values: Any) -> dict[str, Any]:
    rounds = min(map(len, values["seconds"].values()))
    n = len(values["statistics"]["bleu"]["ids"])
    return {"n": n, "model": MODEL, "members": values["members"], "rounds": rounds}


def _arithmetic_blocks(values: Any) -> list[str]:
    """One row a system and arithmetic."""
    texts, seconds = values["texts"], values["seconds"]
    tests, rows = _to_float32(values), []
    for name, tables in read_statistics(values["statistics"]).items():
        same = sum(text == texts[_float32(name)][key] for key, text in texts[name].items())
        rows.append([name, *_scored(tables, tests, name), f"{same:,}", f"{_share(seconds, name):.2f}"])
    header = ["system", "BLEU", "to float32", "chrF", "to float32", "same text", "seconds"]
    return [markdown_table(header, rows)]


def _count(shares: list[float]) -> tuple[int, int]:
    """Texts that are marked, and all of them."""
    return sum(share >= 0.5 for share in shares), len(shares)


def _domain(shares: Any) -> str:
    captions = [_count(values) for name, values in shares.items() if name.startswith("captions")]
    percent = [100 * marked / n for marked, n in captions]
    others = [f"{format_share(*_count(v))} of {name}" for name, v in shares.items() if "captions" not in name]
    return f"{min(percent):.0f} to {max(percent):.0f}% of unseen captions, but {' and '.join(others)}"


def _to_no_context(measured: Any) -> dict[str, Difference]:
    """Setting -> its difference in chrF to no context."""
    tables = read_statistics(measured["statistics"])
    tests = compare_to_baseline({name: {"chrf": own["chrf"]} for name, own in tables.items()}, NONE)
    return {test.system: test for test in tests}


def _context(measurements: Measurements) -> str:
    parts = []
    for name, model in (("marian", "an encoder-decoder model"), ("causal", "a chat model")):
        setting = "2 sentences, source and target"
        parts.append(f"{model} {format_difference(_to_no_context(measurements[name])[setting])} chrF")
    return f"two sentences before, source and target: {', '.join(parts)}"


def _context_blocks(system: System, measured: Any) -> list[str]:
    tests, rows = _to_no_context(measured), []
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


def _best_single(values: Any) -> str:
    """The single system of higher chrF."""
    tables = read_statistics(values["statistics"])
    return max((FIRST, SECOND), key=lambda name: tables[name]["chrf"].score())


def _to_best_single(values: Any) -> Tests:
    tests = compare_to_baseline(read_statistics(values["statistics"]), _best_single(values))
    return {(test.system, test.metric): test for test in tests}


def _vocabularies(measurements: Measurements) -> str:
    parts = []
    for name, title in SETS.items():
        test = _to_best_single(measurements[name])[TEXT, "chrf"]
        parts.append(f"{title.lower()} {format_difference(test)} (n = {test.n})")
    tests = _to_best_single(measurements["captions"])
    others = ", ".join(f"{name} {tests[name, 'chrf'].difference:+.1f}" for name in OTHERS)
    return (
        "Agreed text of two very unequal models with equal coefficients against the better one alone, chrF: "
        f"{'; '.join(parts)}; other ways on captions: {others}"
    )


def _vocabularies_blocks(name: str, values: Any) -> list[str]:
    n, tests, rows = len(values["statistics"]["bleu"]["ids"]), _to_best_single(values), []
    for system, tables in read_statistics(values["statistics"]).items():
        seconds = values["seconds"].get(system)
        spent = "" if seconds is None else f"{seconds / n:.1f}"
        rows.append([system, *_scored(tables, tests, system), spent])
    against = f"against {_best_single(values)}"
    header = ["system", "BLEU", against, "chrF", against, "CPU s a sentence"]
    return [f"## {SETS[name]}", SOURCES[name].format(n=n), markdown_table(header, rows)]


PAGES = {
    "arithmetic": Page(
        title="Translation in bfloat16 and int8",
        question=f"How good is `{MODEL}`, and what do bfloat16 and int8 lose?",
        read=part("translations"),
        facts=_arithmetic_facts,
        result=_arithmetic,
        text="""\
{result}.

{n:,} captions of test_2016_flickr, English to German, beam 5: one model, `{model}`, and an
ensemble of the first {members} seeds of `python -m benchmarks.claims run seeds` (linear, equal shares). int8
quantizes the linear layers. BLEU and chrF with 95% bootstrap intervals; differences to float32 are paired on
the same captions, with Holm's correction of p over the two. Seconds are CPU seconds of one thread as a share
of float32's, the median of {rounds} interleaved rounds in one process.""",
        blocks=_arithmetic_blocks,
    ),
    "domain": Page(
        title=f"Texts that {MODEL} was not made for",
        question=f"Does `{MODEL}` notice texts that it was not made for?",
        read=part("shares"),
        result=_domain,
        text="""\
The model marks {result}.

How many texts of each set are marked as unfamiliar (half of their sentences or more lie outside of the
limits of the model's `domain.json`), with Wilson's 95% interval. Beam 5, float32. The captions are of the
kind that the model was made for, and unseen.""",
        answer="it marks {result}",
        blocks=lambda shares: [
            format_rows(
                {name: {"marked": format_share(*_count(values))} for name, values in shares.items()},
                {"set": "{name}", "unfamiliar": "{marked}"},
            )
        ],
    ),
    "context": Page(
        title="Context of the sentences before",
        question="Do the sentences before one help models that were trained without them?",
        result=_context,
        text="""\
Sentences that have nothing to do with each other, and models that were never trained with context: {result}.
The first has only ever seen one caption at a time. Two are longer than what it knows, and with the
translations of the context as its first tokens it does not find the place in the source where it is to go
on: a model of sentences cannot be given context by joining them. A chat model reads it as further examples,
which here neither help nor harm. This says nothing of talks, whose sentences belong together, or of models
that were trained on documents: for those, measure on a development set of your own.

The transcript of one recording ([long recordings](long-recording.md): unrelated spoken captions, Whisper
base), each reference segment a part of one document; beam 5 where nothing else is said. 95% intervals over
segments; one recording, so they say nothing of others.""",
        answer="On unrelated captions as one recording: {result}",
        blocks=lambda measurements: [
            block for name, system in SYSTEMS.items() for block in _context_blocks(system, measurements[name])
        ],
    ),
    "vocabularies-text": Page(
        title="Translators of different tokenizers",
        question="Do translators of different tokenizers gain by agreeing on text?",
        facts=lambda measurements: {"risk": RISK.capitalize(), "beam": measurements["captions"]["beam"]},
        result=_vocabularies,
        text="""\
{result}.

English into German. First: `packaged:multi30k-en-de` (6 M parameters, trained on captions, 8,000 pieces of
sentencepiece); second: `packaged:qwen2.5-coder-0.5b` (4 bits, few-shot prompt, 152,000 pieces of
byte-level BPE). *Text*: every member writes in its own pieces and they agree on the text, with these
coefficients. *Union, linear* and *intersection, log-linear*: of the pieces, equal coefficients. *{risk}*:
the text of the two single systems' lists (as many as the beam is wide) that is most like all of them, by
chrF. Beam {beam} everywhere; all settings were chosen before anything was measured. BLEU and chrF with 95%
bootstrap intervals; differences are paired, to the better single system in each set, with Holm's correction
of p over the systems of a set and metric.""",
        blocks=lambda measurements: [
            block for name in SETS for block in _vocabularies_blocks(name, measurements[name])
        ],
    ),
}
"""Page -> its row."""
