"""Systems of one test set beside the first of them, in rows that are measured once and kept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.common.tables import format_interval, format_p_value
from components.metrics.statistics.significance import translation_tests
from components.metrics.translation_quality.translation import sentence_scores, translation_scores
from components.records import Utterance

Texts = dict[str, str]
TimedTexts = tuple[Texts, float, float]
"""Utterance id -> text, process seconds, wall seconds."""


class ComparisonTable:
    """Systems of one test set against the first one, as rows of Markdown; measured rows are kept."""

    def __init__(self, title: str, utterances: Sequence[Utterance], work: Path) -> None:
        self.title, self.utterances = title, utterances
        self.references = {u.id: u.references for u in utterances}
        self.systems: dict[str, TimedTexts] = {}
        self._file = work / f"{re.sub(r'[^a-z0-9.]+', '-', title.lower())}.json"
        self._kept = json.loads(self._file.read_text("utf-8")) if self._file.exists() else {}

    def add(self, names: Sequence[str], measure: Callable[[], Sequence[TimedTexts]]) -> list[TimedTexts]:
        """Rows ``names``, measured unless an earlier run did."""
        if not all(name in self._kept for name in names):
            self._kept |= dict(zip(names, measure(), strict=True))
            self._file.write_text(json.dumps(self._kept, ensure_ascii=False), encoding="utf-8")
        measured = [(dict(t), float(cpu), float(wall)) for t, cpu, wall in map(self._kept.__getitem__, names)]
        self.systems |= dict(zip(names, measured, strict=True))
        return measured

    def to_markdown(self) -> list[str]:
        """Scores with intervals, differences to the first row with p (Holm), harm, CPU seconds."""
        names = list(self.systems)
        texts = {name: one[0] for name, one in self.systems.items()}
        tests = {
            t.system: t
            for t in translation_tests(self.references, texts, names[0], language="de", names=("bleu",))
        }
        rows = [f"## {self.title}", "", f"{len(self.references)} sentences.", ""]
        rows += [
            "| system | BLEU | chrF | BLEU difference, p | changed | worse of changed | CPU s | wall s |"
        ]
        rows += ["|---|---|---|---|---|---|---|---|"]
        total = len(self.references)
        for name, (one, seconds, wall) in self.systems.items():
            scores = translation_scores(self.references, one, language="de", n_total=total)
            bleu, chrf = scores["bleu"], scores["chrf"]
            test = tests.get(name)
            gain = ""
            if test:
                gain = f"{test.difference:+.2f}{format_interval(test.interval, ' [{:+.2f}, {:+.2f}]')}"
                gain += f", p {format_p_value(test.p_holm)}"
            changed, worse = count_changes(self.references, texts[names[0]], one)
            rows.append(
                f"| {name} | {bleu.value:.2f}{format_interval(bleu.interval, ' [{:.1f}, {:.1f}]')} | "
                f"{chrf.value:.2f} | {gain} | {changed} | {worse} | {seconds:.1f} | {wall:.1f} |"
            )
        return [*rows, "", f"BLEU `{bleu.signature}`", ""]


def count_changes(references: Mapping[str, Sequence[str]], before: Texts, after: Texts) -> tuple[int, int]:
    """Sentences whose sentence BLEU moved, and how many fell."""
    a, b = (sentence_scores(references, texts, language="de") for texts in (before, after))
    moves = [b[key]["bleu"] - a[key]["bleu"] for key in a.keys() & b.keys()]
    return sum(move != 0 for move in moves), sum(move < 0 for move in moves)
