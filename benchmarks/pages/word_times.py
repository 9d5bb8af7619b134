"""Are word times those of openai-whisper, and what do they cost?"""

from __future__ import annotations

import statistics

from benchmarks.common.cpu_timer import ratio_to_best
from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import markdown_table, one_paragraph
from benchmarks.pages.page import Page

OPENAI, ANTIPHON = "openai-whisper", "Antiphon"
OPENAI_WORDS, ANTIPHON_WORDS = "openai-whisper, word timestamps", "Antiphon, word times"
DEFAULT = "as it is"
LIMITS = (0.0, 0.02, 0.06, 0.1)
"""Seconds by which a word may be off."""
Words = list[tuple[str, float, float]]
"""Text, start and end in seconds of each word."""
COSTS = """\
What it costs: CPU seconds for a few of the recordings with word times; *ratio*: to the same without them.
Antiphon: median of {ours} rounds in which both ran one after the other; openai-whisper: {theirs}."""


def _blocks(measurements: Measurements) -> list[str]:
    """How near the times are, then their cost."""
    rows = [
        [model, way, *_cells(compare(words[OPENAI], words[way]))]
        for model, words in measurements["words"].items()
        for way in words
        if way != OPENAI
    ]
    costs = measurements["costs"]
    rounds = {name: len(spent) for cost in costs.values() for name, spent in cost["seconds"].items()}
    limits = ["equal", *(f"within {round(1000 * limit)} ms" for limit in LIMITS[1:])]
    header = ["model", "recordings", "Antiphon, s", "ratio", "openai-whisper, s", "ratio"]
    theirs = "one round" if rounds[OPENAI] == 1 else f"{rounds[OPENAI]} rounds"
    return [
        markdown_table(["model", "padding", "same words", "words", *limits, "largest, s"], rows),
        one_paragraph(COSTS.format(ours=rounds[ANTIPHON], theirs=theirs)),
        markdown_table(header, [_cost_row(model, cost) for model, cost in costs.items()]),
    ]


def compare(theirs: dict[str, Words], ours: dict[str, Words]) -> tuple[int, int, list[float]]:
    """Recordings in which both write the same words, all recordings, and the seconds between such words."""
    same = [key for key in theirs if [w[0] for w in ours[key]] == [w[0] for w in theirs[key]]]
    differences = [
        max(abs(a[1] - b[1]), abs(a[2] - b[2]))
        for key in same
        for a, b in zip(ours[key], theirs[key], strict=True)
    ]
    return len(same), len(theirs), differences


def _share(differences: list[float], limit: float) -> float:
    return sum(d <= limit + 1e-6 for d in differences) / max(len(differences), 1)


def _cells(comparison: tuple[int, int, list[float]]) -> list[str]:
    same, total, differences = comparison
    shares = [f"{_share(differences, limit):.1%}" for limit in LIMITS]
    return [f"{same} of {total}", str(len(differences)), *shares, f"{max(differences, default=0.0):.2f}"]


def _cost_row(model: str, cost: dict) -> list[str]:
    spent, cells = cost["seconds"], []
    for with_words, without in ((ANTIPHON_WORDS, ANTIPHON), (OPENAI_WORDS, OPENAI)):
        ratio = ratio_to_best(spent, with_words, [without])
        cells += [f"{statistics.median(spent[with_words]):.1f}", f"{ratio:.2f}"]
    return [model, str(cost["recordings"]), *cells]


def _result(measurements: Measurements) -> str:
    parts, largest, equal = [], 0.0, []
    for model, words in measurements["words"].items():
        same, _, differences = compare(words[OPENAI], words[DEFAULT])
        parts.append(f"{len(differences)} words of {same} recordings ({model.partition('whisper-')[2]})")
        largest = max(largest, *differences)
        equal.append(_share(differences, 0.0))
    ratios = [
        ratio_to_best(cost["seconds"], ANTIPHON_WORDS, [ANTIPHON]) - 1
        for cost in measurements["costs"].values()
    ]
    return (
        f"within {1000 * largest:.0f} ms of openai-whisper's for {' and '.join(parts)}, and {min(equal):.0%} "
        f"are equal; word times cost {min(ratios):.0%} to {max(ratios):.0%} of a recognition"
    )


PAGES = {
    "word-times": Page(
        title="Word times beside openai-whisper's",
        question="Are word times those of openai-whisper?",
        result=_result,
        text="""\
**Word times are {result}.**

Human recordings (tiny.en: the English ones), language given, greedy, float32, one thread, before words are
held to detected speech (`vad: false`). openai-whisper:
`transcribe(word_timestamps=True, condition_on_previous_text=False)`. Compared are recordings in which both
write the same words; a word counts with the larger of the differences of its start and its end. *All of the
padding*: `padding_stride=1`.""",
        blocks=_blocks,
    ),
}
"""Page -> its row."""
