"""E21: confidence, routing, votes and transcripts as a check on telephone prompts by professional speakers.

Half of each language's prompts fits the estimators for the other half, and the other way round, so that
every prompt is judged by what did not see it. Votes have the setting that captions chose (``pools``); nothing
is tuned here. Sets come from ``python -m benchmarks.data fetch asterisk``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from antiphon import Run, run_pipeline
from benchmarks.claims.outputs import Outputs
from benchmarks.claims.workspace import Workspace
from benchmarks.common.paths import data_set
from benchmarks.common.tables import format_interval, markdown_table
from benchmarks.common.text_statistics import Tables, count_by_metric, count_texts, read_statistics
from benchmarks.pages.pools import NAMES
from benchmarks.pages.routing import SHARE
from benchmarks.quality.confidence import graphs
from benchmarks.quality.confidence.calibration import without_curve
from benchmarks.quality.confidence.graphs import Graph
from benchmarks.quality.confidence.pools import best_texts
from benchmarks.quality.confidence.routing import keep_rungs
from components.claims.statistics.detection import compare_auc
from components.claims.statistics.measuring import two_level
from components.claims.verdict import Measured
from components.confidence.evaluation.quality import measure_quality
from components.confidence.evaluation.scored_texts import NodeTexts, read_node_texts
from components.files.files import write_bytes
from components.metrics.statistics.corpus_statistics import CorpusStatistics
from components.metrics.table import METRICS
from components.text.text_confidence import confidence_of

TITLE = "Human voices: telephone prompts"
QUESTION = """
Professional speakers, one a language, read the prompts of a telephone exchange (8 kHz; those of three words
or more). Are the estimates of what Whisper wrote as good as on
synthetic voices? Does routing by them from tiny.en to base gain, do three recognizers that vote make fewer
errors than the best, and does the recognizer's confidence tell which translations its errors will harm?
Estimators are fitted on one half of the prompts and judged on the other, and the other way round; the vote
has the setting that captions chose.
"""
LANGUAGES = ("en", "es", "fr", "it", "ru")
METHOD = "gradient_boosting"
LEAST_WORDS = 3
VOTE = {"alpha": 0.5, "null_confidence": 0.7}
"""As chosen on captions of val, on synthetic voices."""
LOST = 10.0
"""Points of chrF that a translation differs from that of the correct transcript."""
RECOGNIZER, TRANSLATOR = "recognizer's log-probability", "translator's log-probability"


def run(work: Workspace, outputs: Outputs) -> None:
    """By language: confidences and errors; of English also routing, votes, and translations."""
    store = work.folder / "store"
    for language in LANGUAGES:
        names = ("base", "tiny", "sphinx") if language == "en" else ("base",)
        halves = [write_manifest(work.folder, language, half) for half in range(2)]
        runs = [
            run_pipeline(
                {"nodes": prompt_graph(halves[1 - n], names)},
                data=str(halves[n]),
                store=str(store),
                name=f"prompts-{language}-{n}",
                replace=True,
                source_language=language,
            )
            for n in (0, 1)
        ]
        outputs.measurements[f"prompts, {language}"] = keep_prompts(runs, store, names)
        if language == "en":
            outputs.measurements["tiny.en to base"] = _keep_routing(runs)
            checks = [
                graphs.run_graph(check_graph(), half, store, f"check-{n}") for n, half in enumerate(halves)
            ]
            outputs.measurements["translated prompts"] = keep_losses(checks)


def write_manifest(work: Path, language: str, half: int | None = None) -> Path:
    """The prompts of at least :data:`LEAST_WORDS` words, or those of one half by their names."""
    folder, rows = data_set("asterisk"), []
    for line in (folder / f"{language}.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        name = row["id"].partition("/")[2]
        if len(row["transcript"].split()) < LEAST_WORDS or half not in {None, crc32(name.encode()) % 2}:
            continue
        text = {"source_language": language, "transcript": row["transcript"], "domain": "clean"}
        rows.append({"id": name, "audio": str(folder / row["file"]), **text})
    path = work / f"prompts-{language}{'' if half is None else f'-{half}'}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())
    return path


def prompt_graph(dev: Path, names: Sequence[str]) -> Graph:
    """Recognizers, estimates that were fitted on ``dev``, and votes where there are several recognizers."""
    nodes: Graph = {name: {"kind": "recognize", **graphs.RECOGNIZERS[name]} for name in names}
    for name in names:
        learned = {"method": METHOD, "dev": str(dev)}
        nodes[f"{name}_{METHOD}"] = {"kind": "estimate", "of": name, **learned}
    if len(names) > 1:
        rover = {"kind": "combine", "method": "rover", "n_best": 1}
        nodes["equal-votes"] = {**rover, "of": list(names)}
        nodes["calibrated-votes"] = {
            **rover,
            **VOTE,
            "of": [f"{name}_{METHOD}" for name in names],
            "confidence": "calibrated",
            "voting": "average",
        }
    return nodes


def check_graph() -> Graph:
    """English prompts translated from Whisper's transcript, and from the correct one."""
    return {
        "base": {"kind": "recognize", **graphs.RECOGNIZERS["base"]},
        "de": {"kind": "translate", "of": "base", **graphs.TRANSLATOR},
        "correct": {"kind": "oracle", "of": "base"},
        "of_correct": {"kind": "translate", "of": "correct", **graphs.TRANSLATOR},
    }


def keep_prompts(runs: Sequence[Run], store: Path, names: Sequence[str]) -> dict[str, Any]:
    """Errors of every system, and the qualities of the estimates, of both halves together."""
    systems = [*names, *(node for node in runs[0].nodes if node.endswith("-votes"))]
    utterances = [u for run in runs for u in run.utterances]
    texts = {node: {key: t for run in runs for key, t in best_texts(run, node).items()} for node in systems}
    references = {u.id: (u.transcript or "",) for u in utterances}
    complete = {node: {u.id: own.get(u.id, "") for u in utterances} for node, own in texts.items()}
    language = utterances[0].source_language
    nodes: dict[str, list[NodeTexts]] = {}
    for run in runs:
        for node in read_node_texts(run.record, str(store), {f"{name}_{METHOD}" for name in names}):
            nodes.setdefault(node.node, []).append(node)
    qualities = [
        without_curve(row)
        for name, (first, *others) in nodes.items()
        for row in measure_quality(
            name, [*first.texts, *(t for o in others for t in o.texts)], first.output, estimated_only=True
        )
    ]
    seconds = sum(u.audio.seconds for u in utterances if u.audio)
    return {
        "minutes": round(seconds / 60, 1),
        "n": len(utterances),
        "counts": count_by_metric([METRICS["wer"]], references, complete, language),
        "texts": {node: list(own.values()) for node, own in complete.items()},
        "qualities": qualities,
    }


def _keep_routing(runs: Sequence[Run]) -> dict[str, Any]:
    """Both rungs of both halves."""
    first, second = (
        keep_rungs(run, ("tiny", "base"), "wer", {f"tiny_{METHOD}": "expected_wer"}) for run in runs
    )
    joined = {key: first[key] + second[key] for key in ("domains", "cheap", "expensive")}
    doubts = {name: first["doubts"][name] + second["doubts"][name] for name in first["doubts"]}
    groups = [
        f"{n}/{number}" for n, part in enumerate((first, second)) for number in range(len(part["groups"]))
    ]
    total = first["n_total"] + second["n_total"]
    return {**joined, "metric": "wer", "groups": groups, "doubts": doubts, "n_total": total}


def keep_losses(runs: Sequence[Run]) -> dict[str, Any]:
    """chrF of each translation against that of the correct transcript, and both log-probabilities."""
    nodes = ("base", "de", "of_correct")
    best: Mapping[str, Any] = {n: {k: o for run in runs for k, o in run.outcomes(n).items()} for n in nodes}
    texts = {n: {k: t for run in runs for k, t in best_texts(run, n).items()} for n in nodes}
    everything = [u for run in runs for u in run.utterances]
    utterances = [u for u in everything if all(u.id in own for own in texts.values())]
    gold = [u.model_copy(update={"references": (texts["of_correct"][u.id],)}) for u in utterances]
    return {
        "ids": [u.id for u in utterances],
        "n_total": len(everything),
        "chrf": count_texts("chrf", gold, [texts["de"][u.id] for u in utterances]),
        "wer": count_texts("wer", utterances, [texts["base"][u.id] for u in utterances]),
        "signals": {
            name: [round(confidence_of(best[node][u.id].best) or 0.0, 5) for u in utterances]
            for name, node in (
                ("recognizer's log-probability", "base"),
                ("translator's log-probability", "de"),
            )
        },
        "texts": {node: [own[u.id] for u in utterances] for node, own in texts.items()},
    }


def results(outputs: Outputs) -> dict[str, Measured]:
    """The registered comparisons; those of translations where these were measured."""
    best, vote = (_tables(outputs, "en")[name]["wer"] for name in ("base", "calibrated-votes"))
    difference = two_level([vote], [best], replicates="vote", items="prompts")
    measured = {"rover.vote_on_prompts": Measured(by_metric={"wer": difference})}
    if "translated prompts" in outputs.measurements:
        measured |= _compare_signals(outputs.measurements["translated prompts"])
    return measured


def _compare_signals(kept: Mapping[str, Any]) -> dict[str, Measured]:
    """How well both log-probabilities tell the translations that recognition has changed much."""
    lost = (100 - METRICS["chrf"].score(np.asarray(kept["chrf"], float)) > LOST).astype(float)[None]
    signals = {name: -np.asarray(values, float)[None] for name, values in kept["signals"].items()}
    over = f"{lost.size} prompts by one speaker, {int(lost.sum())} lost"
    baselines = {"asr_confidence_prompts": None, "against_mt_prompts": signals[TRANSLATOR]}
    return {
        f"transcript_as_check.{name}": Measured(
            by_metric={"auc, lost": compare_auc(signals[RECOGNIZER], baseline, lost, over)}
        )
        for name, baseline in baselines.items()
    }


def _tables(outputs: Outputs, language: str) -> Tables:
    return read_statistics(outputs.measurements[f"prompts, {language}"]["counts"])


def page(outputs: Outputs) -> list[str]:
    """Errors and votes, confidences by language, routing."""
    languages = [x for x in LANGUAGES if f"prompts, {x}" in outputs.measurements]
    rows = [
        (
            language,
            f"{outputs.measurements[f'prompts, {language}']['n']:,}",
            f"{outputs.measurements[f'prompts, {language}']['minutes']:g}",
            NAMES.get(system, "calibrated votes"),
            _wer(table["wer"]),
        )
        for language in languages
        for system, table in _tables(outputs, language).items()
    ]
    lines = ["## Errors", markdown_table(("language", "prompts", "minutes", "system", "WER (95%)"), rows)]
    lines += ["## Confidence", *_confidences(outputs, languages)]
    if "tiny.en to base" in outputs.measurements:
        rows = [
            (
                name.replace("_", " "),
                *(f"{wer:.2f}" for wer in _routed(outputs.measurements["tiny.en to base"], name)),
            )
            for name in outputs.measurements["tiny.en to base"]["doubts"]
        ]
        note = f"WER of English where none, {SHARE:.0%} (the most doubtful) or all of the prompts go to base."
        header = ("signal", "none", f"{SHARE:.0%}", "all")
        lines += ["## Routing from tiny.en to base", note, markdown_table(header, rows)]
    return lines


def _routed(rung: Mapping[str, Any], signal: str) -> Iterator[float]:
    """WER with none, a share and all of the prompts escalated."""
    order = np.argsort(-np.asarray(rung["doubts"][signal]), kind="stable")
    cheap, expensive = (np.asarray(rung[name], float)[order] for name in ("cheap", "expensive"))
    for count in (0, round(SHARE * len(order)), len(order)):
        rows = np.concatenate([expensive[:count], cheap[count:]])
        yield float(METRICS["wer"].score(rows.sum(0)))


def _wer(table: CorpusStatistics) -> str:
    return f"{table.score():.2f}{format_interval(table.to_score().interval, ' ({:.2f} to {:.2f})')}"


def _confidences(outputs: Outputs, languages: Sequence[str]) -> list[str]:
    """ECE and AUROC of words and AUROC of whole transcripts, of the estimate and of the raw number."""
    rows = [
        (
            language,
            NAMES[row["node"].partition("_")[0]],
            {"word": "a word is right", "utterance": "a transcript has no error"}[row["outcome"]],
            row["signal"],
            f"{row['n']:,}",
            *(_estimate(row["measures"].get(name)) for name in ("ece", "auroc")),
        )
        for language in languages
        for row in outputs.measurements[f"prompts, {language}"]["qualities"]
        if row["outcome"] in {"word", "utterance"}
    ]
    return [markdown_table(("language", "system", "whether", "signal", "n", "ECE", "AUROC"), rows)]


def _estimate(value: Mapping[str, Any] | None) -> str:
    if value is None:
        return ""
    return f"{value['value']:.3f}" + format_interval(value["interval"], " ({:.3f} to {:.3f})")
