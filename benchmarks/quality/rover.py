"""Three recognizers as one on real recordings: ROVER and minimum Bayes risk against the best of them.

What is chosen (votes, alpha, weights, coefficients) is chosen on 50 captions of a synthetic voice, never on
the recordings that are reported.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks.common.cached_recognition import CACHE, recognize_cached
from benchmarks.common.paths import RESULTS
from benchmarks.common.recordings import SHARED, load_recordings, seconds_of
from benchmarks.common.tables import format_interval, format_p_value
from components import audio
from components.ensembling.output_level.config import SystemCombinationConfig
from components.ensembling.output_level.mert import mert
from components.ensembling.output_level.system_combination import combine_outputs
from components.ensembling.output_level.weighted_hypotheses import SystemNBest
from components.metrics.recognition import recognition_scores, utterance_errors
from components.metrics.shapley import CoalitionGame, all_coalitions, estimate_contributions
from components.metrics.significance import recognition_tests
from components.records import NBest, Utterance
from components.run_record import Score

OUT = RESULTS / "rover.md"
SYSTEMS: dict[str, dict[str, object]] = {
    "whisper-base": {"model": "packaged:whisper-base"},
    "whisper-tiny.en": {"model": "packaged:whisper-tiny.en"},
    "pocketsphinx": {"model": "sphinx:en-us", "backend": "pocketsphinx"},
}
WEIGHTS = [(1, 1, 1), (2, 2, 1), (2, 1, 1), (3, 2, 1), (3, 2, 2)]
Lists = Mapping[str, Mapping[str, NBest]]
"""System -> utterance id -> n-best list."""


def load_development() -> list[Utterance]:
    """The development data: 50 captions spoken by a synthetic voice."""
    folder = SHARED / "data" / "spoken"
    rows = map(json.loads, (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines())
    return [
        Utterance(
            id=row["file"],
            audio=audio.describe(folder / row["file"]),
            source_language="en",
            transcript=row["transcript"],
        )
        for row in rows
    ]


def transcripts_of(utterances: Sequence[Utterance]) -> dict[str, str]:
    return {u.id: u.transcript or "" for u in utterances}


def combine(lists: Lists, config: SystemCombinationConfig) -> dict[str, str]:
    """Utterance id -> the pool's best text."""
    ids = dict.fromkeys(key for row in lists.values() for key in row)
    texts = {}
    for key in ids:
        outcome = combine_outputs(key, {name: row.get(key) for name, row in lists.items()}, config, "en")
        assert isinstance(outcome, NBest)
        texts[key] = outcome.best.text
    return texts


def wer(utterances: Sequence[Utterance], texts: Mapping[str, str]) -> Score:
    return recognition_scores(transcripts_of(utterances), texts, language="en", n_total=len(utterances))[
        "wer"
    ]


def best_on(
    dev: Sequence[Utterance], lists: Lists, grid: Iterable[SystemCombinationConfig]
) -> SystemCombinationConfig:
    """The setting of least development WER; the first of equals."""
    return min(grid, key=lambda config: round(wer(dev, combine(lists, config)).value, 6))


def vote_grid() -> Iterable[SystemCombinationConfig]:
    for weights, n_best in product(WEIGHTS, (1, 5)):
        yield SystemCombinationConfig(weights=weights, n_best=n_best)


def confidence_grid() -> Iterable[SystemCombinationConfig]:
    for weights, voting, alpha, silence in product(
        WEIGHTS, ("average", "maximum"), (0.2, 0.5, 0.8), (0.3, 0.5, 0.7, 0.9)
    ):
        yield SystemCombinationConfig.model_validate(
            {
                "weights": weights,
                "n_best": 1,
                "voting": voting,
                "alpha": alpha,
                "null_confidence": silence,
            }
        )


def risk_grid() -> Iterable[SystemCombinationConfig]:
    for weights, scale, utility in product(WEIGHTS, (0.0, 0.3, 1.0), ("wer", "chrf")):
        yield SystemCombinationConfig.model_validate(
            {"method": "minimum_bayes_risk", "weights": weights, "scale": scale, "utility": utility}
        )


def learn_reranking(dev: Sequence[Utterance], lists: Lists) -> SystemCombinationConfig:
    """Coefficients learned on the development data for its WER."""
    config = SystemCombinationConfig(method="reranking", utility="wer")
    offers = [[SystemNBest(name, row[u.id].hypotheses) for name, row in lists.items()] for u in dev]
    tuned = mert(offers, [[u.transcript or ""] for u in dev], config, "en")
    return config.model_copy(update={"coefficients": tuned.coefficients})


def oracle_texts(utterances: Sequence[Utterance], lists: Lists) -> dict[str, str]:
    """The candidate of the pool with the fewest errors: what no choice can beat."""
    texts = {}
    for u in utterances:
        candidates = dict.fromkeys(h.text for row in lists.values() for h in row[u.id].hypotheses)
        errors_by_text = {
            text: utterance_errors({u.id: u.transcript or ""}, {u.id: text}, language="en")[u.id].errors
            for text in candidates
        }
        texts[u.id] = min(errors_by_text, key=lambda text: errors_by_text[text])
    return texts


def play_coalitions(
    utterances: Sequence[Utterance], lists: Lists, config: SystemCombinationConfig
) -> CoalitionGame:
    """Minus the word error rate of every coalition's ROVER; nobody leaves every word out (100%)."""
    refs = transcripts_of(utterances)
    rows = []
    for coalition in all_coalitions(tuple(lists)):
        weights = [w for w, name in zip(config.weights, lists, strict=True) if name in coalition]
        some = {name: row for name, row in lists.items() if name in coalition}
        texts = combine(some, config.model_copy(update={"weights": tuple(weights)})) if some else {}
        counts = utterance_errors(refs, {key: texts.get(key, "") for key in refs}, language="en")
        rows.append([-100.0 * counts[key].errors for key in refs])
    lengths = [float(counts[key].length) for key in refs]
    spoken_ = [index for index, length in enumerate(lengths) if length]
    return CoalitionGame(tuple(lists), np.array(rows)[:, spoken_], np.array(lengths)[spoken_])


def describe_settings(config: SystemCombinationConfig) -> str:
    """What of a setting was chosen, in one line."""
    settings = config.model_dump(exclude_defaults=True, exclude={"method"})
    return ", ".join(f"{name} {value}" for name, value in settings.items()) or "defaults"


UNTUNED = {
    "ROVER, equal votes": SystemCombinationConfig(n_best=1),
    "ROVER, equal votes, 5-best posteriors": SystemCombinationConfig(),
    "ROVER, average confidence": SystemCombinationConfig(n_best=1, voting="average"),
    "minimum Bayes risk, equal votes": SystemCombinationConfig(method="minimum_bayes_risk", utility="wer"),
}


def tune(dev: Sequence[Utterance], lists: Lists) -> dict[str, SystemCombinationConfig]:
    return {
        "ROVER by votes, tuned on dev": best_on(dev, lists, vote_grid()),
        "ROVER by confidence, tuned on dev": best_on(dev, lists, confidence_grid()),
        "minimum Bayes risk, tuned on dev": best_on(dev, lists, risk_grid()),
        "reranking, learned on dev": learn_reranking(dev, lists),
    }


def texts_of(
    lists: Lists, settings: Mapping[str, SystemCombinationConfig]
) -> tuple[dict[str, dict[str, str]], dict[str, float]]:
    """The texts of every system and combination, and the CPU-seconds that combining took."""
    texts = {name: {key: row[key].best.text for key in row} for name, row in lists.items()}
    cost = {}
    for name, config in settings.items():
        begun = time.process_time()
        texts[name] = combine(lists, config)
        cost[name] = time.process_time() - begun
    return texts, cost


def score_table(
    utterances: Sequence[Utterance], texts: Mapping[str, Mapping[str, str]], cost: Mapping[str, float]
) -> list[str]:
    """Every system with interval and paired test against the best single recognizer of these utterances."""
    scores = {name: wer(utterances, row) for name, row in texts.items()}
    best = min(SYSTEMS, key=lambda name: scores[name].value)
    differences = recognition_tests(transcripts_of(utterances), texts, best, language="en")
    tests = {test.system: test for test in differences if test.metric == "wer"}
    lines = [
        f"| system | WER | 95% | difference to {best} | p | p (Holm) | CPU-seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, score in scores.items():
        compared = "| | "
        if name in tests:
            t = tests[name]
            interval = format_interval(t.interval, " ({:+.2f} to {:+.2f})")
            compared = f"{t.difference:+.2f}{interval} | {format_p_value(t.p)} | {format_p_value(t.p_holm)}"
        spent = f"{cost[name]:.1f}" if name in cost else ""
        lines.append(
            f"| {name} | {score.value:.2f} | {format_interval(score.interval, '{:.2f}–{:.2f}')} "
            f"| {compared} | {spent} |"
        )
    return [
        *lines,
        "",
        f"Protocol: `{scores[best].signature}`, {scores[best].n} of {scores[best].n_total}.",
        "",
    ]


def contribution_table(test: Sequence[Utterance], lists: Lists, config: SystemCombinationConfig) -> list[str]:
    """The table of contributions to one ROVER."""
    rows = estimate_contributions(
        play_coalitions(test, lists, config), dict(zip(SYSTEMS, config.weights, strict=True))
    )
    lines = [
        f"## Who contributes to ROVER ({describe_settings(config)})",
        "",
        "The better of the two tuned ones on dev. Points of WER on the recordings; nobody leaves out every "
        "word (100%). The coefficient is the weight of the vote.",
        "",
        "| member | coefficient | WER alone | leave-one-out | 95% | Shapley | 95% |",
        "|---|---|---|---|---|---|---|",
    ]
    for c in rows:
        left, value = (
            format_interval(interval, "{:+.2f} to {:+.2f}")
            for interval in (c.leave_one_out_interval, c.shapley_interval)
        )
        lines.append(
            f"| {c.member} | {c.coefficient:g} | {-c.alone:.2f} | {c.leave_one_out:+.2f} | "
            f"{left} | {c.shapley:+.2f} | {value} |"
        )
    return lines


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.quality rover", description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder of what the recognizers heard")
    options = parser.parse_args(arguments)
    dev, test = load_development(), load_recordings("en")
    dev_lists: dict[str, dict[str, NBest]] = {}
    lists: dict[str, dict[str, NBest]] = {}
    seconds: dict[str, float] = {}
    for name, settings in SYSTEMS.items():
        dev_lists[name], _ = recognize_cached(settings, dev, options.cache)
        lists[name], seconds[name] = recognize_cached(settings, test, options.cache)
        print(f"{name}: heard in {seconds[name]:.1f} CPU-seconds", file=sys.stderr, flush=True)
    tuned = tune(dev, dev_lists)
    voting = best_on(dev, dev_lists, [c for name, c in tuned.items() if name.startswith("ROVER")])
    texts, combining = texts_of(lists, UNTUNED | tuned)
    cost = seconds | {name: sum(seconds.values()) + spent for name, spent in combining.items()}
    both, _ = texts_of({name: {**dev_lists[name], **lists[name]} for name in SYSTEMS}, UNTUNED)
    lower = wer(test, oracle_texts(test, lists))
    pages = [
        "# Three recognizers as one",
        "",
        f"`python -m benchmarks.quality rover`: {len(test)} English human recordings "
        f"({seconds_of(test):.0f} s), Whisper beam 5, pocketsphinx's bundled model. WER in percent, 95% "
        "bootstrap intervals; p: paired bootstrap, two-sided, against the best single recognizer *of the "
        "same utterances*, also Holm-corrected over the table. What is tuned or learned is tuned on "
        f"{len(dev)} captions of a synthetic voice (dev) only. CPU-seconds: recognition and combination of "
        "the recordings, one thread.",
        "",
        *score_table(test, texts, cost),
        f"The best candidate of each pool, chosen by the reference: WER {lower.value:.2f}. No choice among "
        "whole candidates can be better.",
        "",
        "## What was not tuned, on the recordings and dev together",
        "",
        *score_table([*dev, *test], both, {}),
        "## Chosen on dev",
        "",
        *(f"- {name}: {describe_settings(config)}" for name, config in tuned.items()),
        "",
        *contribution_table(test, lists, voting),
    ]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text("\n".join(pages) + "\n", encoding="utf-8")
    print("\n".join(pages))


if __name__ == "__main__":
    main(sys.argv[1:])
