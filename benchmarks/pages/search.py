"""What does a search over a pipeline gain, and how much of it is chance?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.common.tables import markdown_table
from benchmarks.pages.page import Page, part
from benchmarks.quality import repeated_searches
from benchmarks.quality.search import SNR_DB

RESAMPLES, SEED = 10_000, 5
NAMES = {
    "tpe": "TPE",
    "cma_es": "CMA-ES",
    "nsga2": "NSGA-II",
    "random": "random",
    "tpe, 3 rungs": "TPE, 3 rungs",
    "each stage alone": "each stage alone (TPE)",
}


def _blocks(results: Mapping[str, Any]) -> list[str]:
    """One objective, then the front of two."""
    gains = ("gain, searched", "gain, unseen", "optimism")
    return [
        "## BLEU, at equal tries",
        "*Below the best*: BLEU on the search data that the best of all pipelines has more. *Gain*: of "
        "the chosen pipeline over the one as written. *Optimism*: gain on search data minus gain on "
        "unseen data.",
        markdown_table(["tries", "method", "below the best", *gains, "utterances"], _method_rows(results)),
        "*Utterances*: how many pipelines' worth of the search data were computed.",
        "## BLEU and seconds, at equal tries",
        "The share of the area under the front of all pipelines that the search's front has.",
        markdown_table(["tries", *(NAMES[name] for name in results["fronts"])], _front_rows(results)),
    ]


def _facts(results: Mapping[str, Any]) -> dict[str, Any]:
    space, written = repeated_searches.SPACE, repeated_searches.WRITTEN
    return {
        "budgets": ", ".join(f"{share:.0%}" for share in space["doubt.budget"]),
        "beams": ", ".join(map(str, space["de.beam_size"])),
        "penalties": ", ".join(f"{value:g}" for value in space["de.length_penalty"]),
        "settings": results["settings"],
        "written": ", ".join(f"{name} {value:g}" for name, value in written.items()),
        "snr": SNR_DB,
        "n_search": results["n"][0],
        "n_confirm": results["n"][1],
        "repeats": len(results["best"]),
        "resamples": RESAMPLES,
    }


def _result(results: Mapping[str, Any]) -> str:
    tries = max(results["methods"]["tpe"], key=int)
    table = np.asarray(results["methods"]["tpe"][tries])
    unseen, optimism = _gain(table, 1), _gain(table, 0) - _gain(table, 1)
    against = {
        name: _gain(np.asarray(of[tries]), 1)
        for name, of in results["methods"].items()
        if name in {"random", "each stage alone"}
    }
    differences = {name: _mean(unseen - other) for name, other in against.items()}
    return (
        f"{tries} tries of TPE gain {_mean(unseen)} BLEU on unseen data and promised {_mean(optimism)} more. "
        f"Its gain on unseen data minus that of random search at equal tries is {differences['random']}, "
        f"minus that of tuning each stage alone {differences['each stage alone']}."
    )


def _gain(table: Any, data: int) -> Any:
    """Score minus score as written, of every repetition, on search data (0) or unseen data (1)."""
    return table[:, data] - table[:, data + 2]


def _mean(values: Any) -> str:
    """The mean over repetitions with its interval."""
    numbers = np.asarray(values)
    rng = np.random.default_rng(SEED)
    means = numbers[rng.integers(0, len(numbers), (RESAMPLES, len(numbers)))].mean(1)
    low, high = np.percentile(means, (2.5, 97.5))
    return f"{numbers.mean():+.2f} ({low:+.2f} to {high:+.2f})"


def _method_rows(results: Mapping[str, Any]) -> list[Sequence[str]]:
    rows = []
    for tries in results["methods"]["tpe"]:
        for name, by_tries in results["methods"].items():
            table = np.asarray(by_tries[tries])
            searched, unseen = _gain(table, 0), _gain(table, 1)
            below = np.asarray(results["best"]) - table[:, 0]
            cells = [_mean(values) for values in (searched, unseen, searched - unseen)]
            rows.append([tries, NAMES[name], _mean(below), *cells, f"{table[:, 4].mean():.1f}"])
    return rows


def _front_rows(results: Mapping[str, Any]) -> list[Sequence[str]]:
    return [
        [tries, *(f"{np.mean(by_tries[tries]):.3f}" for by_tries in results["fronts"].values())]
        for tries in results["fronts"]["random"]
    ]


PAGES = {
    "search": Page(
        title="Search over a pipeline",
        question="What does a search over a pipeline gain, and how much is chance?",
        read=part("searches"),
        facts=_facts,
        result=_result,
        text="""\
**{result}**

A routed cascade: Whisper tiny.en, the least sure recordings to Whisper base, then the packaged
translator. Varied: the share that goes to base ({budgets}), base's beam (1, 5), the translator's beam
({beams}) and its length penalty ({penalties}): {settings} pipelines. Before any search: {written}.
Speech: captions of Multi30k by two voices of Festival Lite in turn with pink noise at {snr:g} dB;
{n_search} of val to search on, {n_confirm} of test_2016_flickr that no search sees. Every pipeline was
computed once on both; a search asks the table. Each of {repeats} repetitions has a seed, and draws as
many utterances with replacement from both sets. Tries are different pipelines beside the one as written.
*Each stage alone*: half of the tries choose the recognizers by WER, the other half the translator by the
BLEU of correct transcripts. *Rungs*: half, then twice as many utterances each time. In brackets 95% of
{resamples:,} resamples of the repetitions; they share the two sets, so this is the spread of searches,
not of data.""",
        blocks=_blocks,
    ),
}
"""Page -> its row."""
