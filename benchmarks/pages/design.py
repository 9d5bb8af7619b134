"""Does a design find the front, and may its claims be believed?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import markdown_table
from benchmarks.pages.page import Page
from benchmarks.quality.design.kept import CAPTION_SPACE
from benchmarks.quality.design.section import FACTOR, N_SEARCH, SEEDS, SHARE

NAMES = {"captions": "captions, synthetic voices", "people": "recordings of people"}


def _read(stored: Measurements) -> dict[str, Any]:
    return {name: stored[name] for name in NAMES if name in stored.parts}


def _shares(results: Mapping[str, Any]) -> list[Sequence[str]]:
    rows = []
    for name, of in results.items():
        shares = {key: np.asarray(values) for key, values in of["shares"].items()}
        cells = [f"{shares[key].mean():.2f} ({shares[key].min():.2f})" for key in ("race", "nsga2", "random")]
        rows.append(
            [NAMES[name], str(of["systems"]), str(of["n"]), f"{shares['seconds'].mean():.2f}", *cells]
        )
    return rows


def _claims(results: Mapping[str, Any]) -> list[Sequence[str]]:
    rows = []
    for name, of in results.items():
        claims = of["claims"]
        limits = [f"{claims[key]['broken']} of {claims[key]['passed']}" for key in ("limits", "p95")]
        low, median, high = claims["margins"]
        margin = f"{median:.2f} ({low:.2f} to {high:.2f}) {of['metric']}"
        rows.append([NAMES[name], f"{claims['broken']} of {claims['resamples']}", margin, *limits])
    return rows


def _blocks(results: Mapping[str, Any]) -> list[str]:
    head = ["data", "systems", "utterances", "seconds", "race", "NSGA-II", "random"]
    return [
        "## The front, for a share of the seconds",
        "*Seconds*: of all nodes of all systems, each once. Then the share of the area under the front of "
        "all systems that each search reaches in so many seconds: mean and, in brackets, least of the "
        "seeds.",
        markdown_table(head, _shares(results)),
        "## Claims",
        "*Broken*: claimed fronts with a member that a finalist of no higher cost truly beats by more than "
        "the margin (at most 5% asked for). *Limits*, *p95*: systems that passed the test and truly break "
        "the limit.",
        markdown_table(["data", "broken", "margin, median (10% to 90%)", "limits", "p95"], _claims(results)),
    ]


def _result(results: Mapping[str, Any]) -> str:
    sentences = []
    for name, of in results.items():
        share, seconds = (np.mean(of["shares"][key]) for key in ("race", "seconds"))
        broken = f"{of['claims']['broken']} of {of['claims']['resamples']}"
        sentences.append(
            f"{NAMES[name]}: {share:.0%} of the area under the front for {seconds:.0%} of the seconds "
            f"(asked for: 90% for 25%), {broken} claimed fronts are broken"
        )
    return "; ".join(sentences) + "."


def _facts(results: Mapping[str, Any]) -> dict[str, Any]:
    budgets = CAPTION_SPACE["budget"]
    return {"budgets": len(budgets), "n": N_SEARCH, "seeds": SEEDS, "factor": FACTOR, "share": SHARE}


PAGES = {
    "design": Page(
        title="Design: searches over graphs",
        question="Does a design find the front, and do its claims hold?",
        read=_read,
        facts=_facts,
        result=_result,
        text="""\
**{result}**

Every system was computed once on every utterance of a pool, and races ask that table. Captions: the
outputs of [search](search.md), a routed cascade with {budgets} budgets, two beams of the larger
recognizer, three searches of the translator. People: two recognizers with {budgets} budgets and the
beams of both, one recording at a time. {seeds} seeds draw {n} utterances each with replacement. The
race sees one of {factor} of them first; routes are forecast there from the systems that they choose
between. The set that then goes on may bring it to {share:.0%} of the seconds of all. The others get the
same seconds, forecast nothing, and compute each system on all drawn utterances. The truth is the score
on the whole pool.""",
        blocks=_blocks,
    ),
}
"""Page -> its row."""
