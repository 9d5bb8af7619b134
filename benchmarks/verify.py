"""Do the kept outputs say what the pages say? ``python -m benchmarks.verify``; findings are errors.

A second implementation, which shares no code with ``components``: sacreBLEU and jiwer score the kept texts,
plain loops and scipy recompute the comparisons, weights named alike have one SHA-256, no verdict stands on a
choice at the edge of its grid, and times of long ago say so. Where the references are not at hand (they are
not ours to publish) texts are checked by their lengths. ``--all`` scores every system, not one in SAMPLE.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import sacrebleu
from scipy import stats

from benchmarks.claims.claim import read_register
from benchmarks.claims.experiment import results_by_comparison
from benchmarks.common.manifest import OUTPUTS, git, read_lines
from benchmarks.common.paths import ROOT
from benchmarks.pages.page import TIMED
from components.claims.verdict import Measured, judge

SAMPLE, OLDEST = 8, 900
"""One in so many systems is scored; a page older than so many commits has to say so."""
Rows = list[dict[str, Any]]
FLICKR16, BOTH = ["test_2016_flickr"], ["test_2016_flickr", "test_2017_flickr"]
TEXTS: Mapping[str, tuple[str, Sequence[str], tuple[str, str]]] = {
    "dropout.masks_against_own_model": ("dropout-masks", FLICKR16, ("4 masks", "without dropout")),
    "checkpoints.against_mean": ("seeds", FLICKR16, ("5 checkpoints", "one seed")),
    "checkpoints.against_last": ("seeds", FLICKR16, ("5 checkpoints", "last checkpoint")),
    "bagging.bags_against_one": ("bagging", BOTH, ("3 bags mixed", "a model of all pairs")),
    "reranking.against_best": ("reranking", BOTH, ("reranked lists", "best of three on val")),
    "deliberation.against_fine_tuning": ("deliberation", BOTH, ("deliberation", "plain fine-tuning")),
    "distillation.ensemble_against_single": (
        "distillation",
        BOTH,
        ("taught by the ensemble", "taught by its best member"),
    ),
}
"""Comparison -> outputs, test sets, system and baseline: the difference of their mean BLEU over seeds."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the findings; exit with 1 where there are some."""
    command = argparse.ArgumentParser(prog="python -m benchmarks.verify", description=__doc__)
    command.add_argument("--all", action="store_true", help=f"every system, not one in {SAMPLE}")
    findings = list(find_all(every=1 if command.parse_args(arguments).all else SAMPLE))
    sys.stdout.write("\n".join([*findings, f"{len(findings)} findings"]) + "\n")
    raise SystemExit(bool(findings))


def find_all(every: int = SAMPLE) -> Iterator[str]:
    """All findings, in a line each."""
    kept = {path.name.removesuffix(".jsonl.gz"): read_lines(path) for path in sorted(OUTPUTS.glob("*.gz"))}
    for name, rows in kept.items():
        yield from find_wrong_scores(name, rows, every)
    yield from find_different_weights(kept)
    yield from find_old(kept)
    results = results_by_comparison(OUTPUTS)
    yield from find_wrong_comparisons(kept, results)
    yield from find_edges(kept, results)


def find_wrong_scores(name: str, rows: Rows, every: int = 1) -> Iterator[str]:
    """Systems whose texts do not have the statistics that are kept beside them."""
    systems = [row["outputs"] for row in rows if row.get("outputs", {}).get("texts")]
    ids = {row["data"]: row["ids"] for row in rows if "ids" in row}
    for system in systems[::every]:
        title = f"{name}: {system['system']}, seed {system['seed']}, {system['data']}"
        tables = {metric: np.asarray(table, float) for metric, table in system["statistics"].items()}
        counts = {len(table) for table in tables.values()}
        if max(counts) > len(system["texts"]) or ("bleu" in tables and min(counts) < len(system["texts"])):
            yield f"{title}: {len(system['texts'])} texts beside {sorted(counts)} rows of statistics"
        elif "bleu" in tables:
            yield from _check_bleu(title, system, tables, ids[system["data"]])
        elif "wer" in tables:
            yield from _check_wer(title, system, tables["wer"], ids[system["data"]])


def _check_bleu(
    title: str, system: Mapping[str, Any], tables: Mapping[str, Any], ids: Sequence[str]
) -> Iterator[str]:
    kept = bleu_of(tables["bleu"].sum(0))
    references = read_references(system["data"], "de", len(ids))
    if references is None:
        tokenize = sacrebleu.metrics.BLEU()
        length = tokenize.corpus_score(system["texts"], [system["texts"]]).sys_len
        if length != tables["bleu"].sum(0)[0]:
            yield f"{title}: {length} tokens, {tables['bleu'].sum(0)[0]:g} are kept"
        return
    score = sacrebleu.corpus_bleu(system["texts"], [references]).score
    if abs(score - kept) > 1e-6:
        yield f"{title}: sacreBLEU says {score:.4f}, kept are {kept:.4f} BLEU"


def _check_wer(title: str, system: Mapping[str, Any], table: Any, ids: Sequence[str]) -> Iterator[str]:
    references = read_references("test_2016_flickr", "en", len(ids))
    if references is None or len(references) != len(table):
        return
    plain = [[plain_words(text) for text in texts] for texts in (references, system["texts"])]
    pairs = [(a, b) for a, b in zip(*plain, strict=True) if a]
    measured = jiwer.wer([a for a, _ in pairs], [b for _, b in pairs])
    kept = table.sum(0)[0] / table.sum(0)[1] if table.shape[1] > 1 else math.nan
    if abs(measured - kept) > 0.02:  # normalizers differ: only what is far off is a finding
        yield f"{title}: jiwer says {100 * measured:.2f}% WER, kept are {100 * kept:.2f}%"


def plain_words(text: str) -> str:
    """Lower case, words of letters, digits and apostrophes alone."""
    return " ".join("".join(c if c.isalnum() or c == "'" else " " for c in text.lower()).split())


def read_references(data: str, language: str, count: int) -> list[str] | None:
    """The lines of a split of Multi30k, where that is at hand and has as many."""
    folders = [os.environ.get("ANTIPHON_MULTI30K", ""), str(ROOT.parent / "shared" / "data" / "multi30k")]
    split, _, code = data.partition(" ")
    for folder in filter(None, folders):
        file = Path(folder) / f"{split}.{code or language}"
        if file.is_file():
            lines = file.read_text(encoding="utf-8").split("\n")
            lines = lines[:-1] if lines[-1] == "" else lines
            return lines if len(lines) == count else None
    return None


def bleu_of(sums: Sequence[float]) -> float:
    """BLEU of lengths, matches and totals, by hand."""
    length, reference, *counts = map(float, sums)
    logs, halvings = 0.0, 1.0
    for matches, total in zip(counts[:4], counts[4:], strict=True):
        if not total:
            return 0.0
        halvings *= 1 if matches else 2
        logs += math.log(100 * matches / total if matches else 100 / (halvings * total)) / 4
    return math.exp(logs + min(0.0, 1 - reference / length)) if any(counts[:4]) else 0.0


def find_wrong_comparisons(kept: Mapping[str, Rows], results: Mapping[str, Measured]) -> Iterator[str]:
    """Comparisons whose difference, or whose interval beside a plain t, is not what the outputs give."""
    for name, mean in mean_differences(kept).items():
        result = results[name].by_metric["bleu"]
        if abs(mean - result.difference) > 1e-9:
            yield f"{name}: recomputed {mean:+.4f} BLEU, printed {result.difference:+.4f}"
        if not result.interval[0] <= mean <= result.interval[1]:
            yield f"{name}: recomputed {mean:+.4f} BLEU lies outside of {result.interval}"
    yield from _check_rank_correlation(kept, results)
    yield from _check_auc(kept, results)
    yield from _check_homographs(kept, results)


def mean_differences(kept: Mapping[str, Rows]) -> dict[str, float]:
    """Comparison of TEXTS -> mean over seeds of the difference in BLEU."""
    differences = {name: _differences(kept[file], sets, pair) for name, (file, sets, pair) in TEXTS.items()}
    return {name: sum(values) / len(values) for name, values in differences.items()}


def _differences(rows: Rows, sets: Sequence[str], pair: tuple[str, str]) -> list[float]:
    tables: dict[tuple[str, int], Any] = {}
    for system in (row["outputs"] for row in rows if "outputs" in row):
        if system["data"] in sets and system["system"] in pair:
            key = system["system"], system["seed"]
            tables[key] = tables.get(key, 0) + np.asarray(system["statistics"]["bleu"], float).sum(0)
    seeds = sorted(seed for name, seed in tables if name == pair[0] and (pair[1], seed) in tables)
    return [bleu_of(tables[pair[0], seed]) - bleu_of(tables[pair[1], seed]) for seed in seeds]


def _measurements(rows: Rows) -> dict[str, Any]:
    return {row["measurement"]: row["value"] for row in rows if "measurement" in row}


def _check_rank_correlation(kept: Mapping[str, Rows], results: Mapping[str, Measured]) -> Iterator[str]:
    ensembles = _measurements(kept["contribution"])["ensembles"]
    values = [
        stats.spearmanr(
            list(row["coefficients"].values()), [sum(x) for x in row["leave_one_out"].values()]
        ).statistic
        for row in ensembles
    ]
    printed = results["contribution.correlation"].by_metric["rho"].difference
    if abs(float(np.mean(values)) - printed) > 1e-6:
        yield f"contribution: scipy's mean rho is {np.mean(values):.4f}, printed {printed:.4f}"


def _check_auc(kept: Mapping[str, Rows], results: Mapping[str, Measured]) -> Iterator[str]:
    rows = kept["spoken-captions"]
    confidences = _measurements(rows)["confidences"]["recognizer's confidence"]
    chrf = {
        r["outputs"]["system"]: np.asarray([sentence_chrf(x) for x in r["outputs"]["statistics"]["chrf"]])
        for r in rows
        if r.get("outputs", {}).get("data") == "test_2016_flickr"
    }
    gold, values = chrf["gold transcript"], []
    for voice, confidence in confidences.items():
        lost, signal = gold - chrf[voice] > 10, -np.asarray(confidence)
        u = stats.mannwhitneyu(signal[lost], signal[~lost]).statistic
        values.append(u / (lost.sum() * (~lost).sum()))
    printed = results["transcript_as_check.asr_confidence"].by_metric["auc, lost"].difference
    if abs(float(np.mean(values)) - 0.5 - printed) > 1e-6:
        yield f"transcript_as_check: scipy's mean AUC is {np.mean(values):.4f}, printed {printed + 0.5:.4f}"


def sentence_chrf(counts: Sequence[float]) -> float:
    """chrF2 of one sentence from (hypothesis, reference, matches) of orders 1 to 6, by hand."""
    score, orders = 0.0, 0
    for n in range(0, len(counts), 3):
        hypothesis, reference, matches = counts[n : n + 3]
        if hypothesis and reference:
            orders += 1
            precision, recall = matches / hypothesis, matches / reference
            score += 5 * precision * recall / (4 * precision + recall) if matches else 0.0
    return 100 * score / orders if orders else 0.0


def _check_homographs(kept: Mapping[str, Rows], results: Mapping[str, Measured]) -> Iterator[str]:
    measured = _measurements(kept["wrong-sound"])
    for split, name in (("sentences", "new_sentences"), ("words", "new_words")):
        words: dict[str, list[float]] = {}
        for sound, sign in (("right sound", 1), ("other reading's sound", -1)):
            for margins in measured["margins"][sound].values():
                for about, margin in zip(measured["sentences"], margins, strict=True):
                    if about["split"] == split:
                        words.setdefault(f"{sign}{about['word']}", []).append(100.0 * (margin > 0))
        right, other = (
            float(np.mean([np.mean(x) for key, x in words.items() if key.startswith(start)]))
            for start in ("1", "-1")
        )
        printed = results[f"stacking.{name}"].by_metric["percent"].difference
        if abs(right - other - printed) > 1e-6:
            yield f"stacking.{name}: recomputed {right - other:.3f}, printed {printed:.3f}"


def find_different_weights(kept: Mapping[str, Rows]) -> Iterator[str]:
    """Models of one name and settings that are not one model in all outputs."""
    seen: dict[str, tuple[str, str]] = {}
    for name, rows in kept.items():
        for model, about in rows[0].get("manifest", {}).get("models", {}).items():
            if "settings" in about and "sha256" in about:
                key = f"{model} {json.dumps(about['settings'], sort_keys=True)}"
                first, digest = seen.setdefault(key, (name, about["sha256"]))
                if digest != about["sha256"]:
                    yield f"{model}: {name} has other weights than {first}"


def find_edges(kept: Mapping[str, Rows], results: Mapping[str, Measured]) -> Iterator[str]:
    """Verdicts that stand on the edge of a grid: curves are read again here."""
    at_edge = set()
    for measurement, value in _measurements(kept["two-domains"]).items():
        if measurement.startswith("curves"):
            for system, curve in value.items():
                chosen = max(curve, key=lambda point: point[1])[0]
                if chosen and chosen in (min(curve)[0], max(curve)[0]):
                    at_edge.add(system)
    names = {"addition": "task_addition", "TIES": "ties"}
    verdicts = {claim.name: judge(claim, results).word for claim in read_register()}
    for system in at_edge & names.keys():
        if verdicts[names[system]] not in ("cannot answer", "not measured"):
            yield f"{names[system]}: {verdicts[names[system]]}, a scale of {system} is an edge of its grid"


def find_old(kept: Mapping[str, Rows]) -> Iterator[str]:
    """Outputs that are transcribed from a page, and times older than OLDEST commits that do not say so."""
    if git("rev-parse", "--is-shallow-repository") != "false":
        return  # a copy without its history
    for name, rows in kept.items():
        for manifest in (row["manifest"] for row in rows if "manifest" in row):
            if (manifest.get("transcribed_from") or "").startswith("Transcribed"):
                yield f"{name}: transcribed from its own page, which is no evidence"
                break
            if name not in TIMED or any(note.startswith("Old") for note in manifest["notes"]):
                continue
            age = git("rev-list", "--count", f"{manifest['commit'].rstrip('+')}..HEAD")
            if age.isdigit() and int(age) > OLDEST:
                yield f"{name}: measured {age} commits ago"
                break


if __name__ == "__main__":
    main()
