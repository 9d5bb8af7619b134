"""Which words go wrong, counted while the utterances of a report are read: confusions and n-grams."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from components.analysis.table import Cell, Table, filter_by, link_to_filter
from components.records import NBest
from components.text.function_words import is_content_word
from components.text.matching.alignment import Edit
from reports.views.rows import UtteranceRow
from reports.views.run_view import RunView, ScoredNode
from reports.views.utterance_alignment import split_units

MOST = 20
"""Rows of a table."""
MAX_LINKED = 20
"""Utterances that a count leads to."""
ORDERS = (3, 2, 1)
"""Lengths of n-grams, in words."""
_KINDS = {"substitute": "substituted", "delete": "missing", "insert": "extra"}

RightOf = Callable[[UtteranceRow, str], Iterator[tuple[str, ...]]]
"""Gives the words or phrases of a reference that a node's text has."""


class Occurrences:
    """How often things occur, and in which utterances first."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, ...]] = Counter()
        self._ids: dict[tuple[str, ...], list[str]] = {}

    def add(self, thing: tuple[str, ...], utterance_id: str) -> None:
        """Count one occurrence in an utterance."""
        self.counts[thing] += 1
        ids = self._ids.setdefault(thing, [])
        if len(ids) < MAX_LINKED and utterance_id not in ids[-1:]:
            ids.append(utterance_id)

    def link(self, thing: tuple[str, ...]) -> Cell:
        """Return the count, leading to the utterances; empty where it never occurs."""
        count = self.counts[thing]
        return link_to_filter(f"{count:,}", filter_by("id", *self._ids[thing])) if count else ""


class _System(NamedTuple):
    confusions: Occurrences
    errors: Counter[str]
    right: Occurrences
    """What this system has and the baseline has not."""
    lost: Occurrences
    """What the baseline has and this system has not."""


class WordErrors:
    """Counts the errors of the systems of a view, utterance by utterance.

    The first system is the baseline: what the others have and it has not, and the reverse, is counted too.
    """

    def __init__(self, view: RunView) -> None:
        self._view = view
        self._nodes: dict[str, list[ScoredNode]] = {"transcript": [], "translation": []}
        for scored in view.list_scored_nodes():
            self._nodes[scored.role].append(scored)
        self._systems = {
            scored: _System(Occurrences(), Counter(), Occurrences(), Occurrences())
            for nodes in self._nodes.values()
            for scored in nodes
        }

    def add(self, row: UtteranceRow) -> None:
        """Count the errors of one utterance."""
        for scored in self._nodes["transcript"]:
            alignment = row.alignments.get(scored.node)
            if alignment is not None and isinstance(row.outcomes.get(scored.node), NBest):
                self._count_confusions(self._systems[scored], alignment.edits, row.utterance.id)
        self._contrast(self._nodes["transcript"], row, _right_words)
        translations = self._nodes["translation"]
        if len(translations) > 1:
            self._contrast(translations, row, self._right_phrases)

    def _right_phrases(self, row: UtteranceRow, node: str) -> Iterator[tuple[str, ...]]:
        """N-grams of the aligned reference that the translation has, each as often as both have it."""
        alignment, language = row.alignments[node], row.alignments[node].language
        for order in ORDERS:
            both = _ngrams(alignment.reference, order, language) & _ngrams(
                alignment.hypothesis, order, language
            )
            yield from (
                ngram for ngram in both.elements() if any(is_content_word(word, language) for word in ngram)
            )

    @staticmethod
    def _count_confusions(system: _System, edits: Sequence[Edit[str]], utterance_id: str) -> None:
        for edit in edits:
            if edit.operation != "equal":
                confusion = (_KINDS[edit.operation], edit.reference or "", edit.hypothesis or "")
                system.confusions.add(confusion, utterance_id)
                system.errors[utterance_id] += 1

    def _contrast(self, nodes: Sequence[ScoredNode], row: UtteranceRow, right_of: RightOf) -> None:
        if len(nodes) < 2 or any(scored.node not in row.alignments for scored in nodes):
            return
        base, *others = (Counter(right_of(row, scored.node)) for scored in nodes)
        for scored, right in zip(nodes[1:], others, strict=True):
            system = self._systems[scored]
            for occurrences, more in ((system.right, right - base), (system.lost, base - right)):
                for thing in more.elements():
                    occurrences.add(thing, row.utterance.id)

    def count_by_utterance(self) -> Counter[str]:
        """Return word errors of the first transcript by utterance id."""
        nodes = self._nodes["transcript"]
        return self._systems[nodes[0]].errors if nodes else Counter()

    def concentration(self) -> tuple[int, list[str]] | None:
        """Return word errors of the first transcript, and the fewest utterances that hold half of them."""
        errors = self.count_by_utterance()
        total, ids, sum_of_errors = errors.total(), list[str](), 0
        for utterance_id, count in errors.most_common():
            if 2 * sum_of_errors >= total:
                break
            ids.append(utterance_id)
            sum_of_errors += count
        return (total, ids) if total else None

    def sections(self) -> list[Table]:
        """Return the tables of confusions and of what systems have that the baseline has not."""
        return [*self._confusion_section(), *self._contrast_sections()]

    def _confusion_section(self) -> Iterator[Table]:
        systems = {scored: self._systems[scored].confusions for scored in self._nodes["transcript"]}
        total: Counter[tuple[str, ...]] = sum((each.counts for each in systems.values()), Counter())
        if not total:
            return
        rows = []
        for confusion, _ in sorted(total.items(), key=lambda item: (-item[1], item[0]))[:MOST]:
            kind, reference, hypothesis = confusion
            row: dict[str, Cell] = {"error": kind, "reference": reference, "output": hypothesis}
            row |= {
                scored.system or "count": occurrences.link(confusion)
                for scored, occurrences in systems.items()
            }
            rows.append(row)
        of = ", in the utterances that are shown" if self._view.sample else ""
        note = f"{total.total():,} word errors, as the WER counts them, of {len(total):,} kinds{of}. "
        yield Table(
            "Most frequent confusions",
            f"{note}A count leads to its utterances{_first_only()}",
            tuple(rows),
        )

    def _contrast_sections(self) -> Iterator[Table]:
        titles = {
            "transcript": "Words that one system has right",
            "translation": "Phrases that one system has",
        }
        notes = {
            "transcript": "Words of the reference transcript that one system has and the other has not.",
            "translation": "Words and phrases of the reference translation that one system has and the other "
            "has not; those of function words alone are left out.",
        }
        for role, nodes in self._nodes.items():
            for scored in nodes[1:]:
                system, base = self._systems[scored], nodes[0].system
                rows = tuple(_contrast_rows(system, base, scored.system))
                if rows:
                    title = f"{titles[role]}: {base}, {scored.system}"
                    yield Table(title, f"{notes[role]} A count leads to its utterances{_first_only()}", rows)


def _first_only() -> str:
    return f" (the first {MAX_LINKED})."


def _contrast_rows(system: _System, base: str, name: str) -> Iterator[dict[str, Cell]]:
    """What differs most often first; a phrase that another row's phrase contains as often is left out."""
    things = system.right.counts.keys() | system.lost.counts.keys()
    ranked = sorted(
        things,
        key=lambda t: (
            -abs(system.right.counts[t] - system.lost.counts[t]),
            -(system.right.counts[t] + system.lost.counts[t]),
            -len(t),
            t,
        ),
    )
    seen: list[tuple[str, int, int]] = []
    for thing in ranked:
        text = " ".join(thing)
        counts = (system.lost.counts[thing], system.right.counts[thing])
        if any(f" {text} " in f" {longer} " and counts == (a, b) for longer, a, b in seen):
            continue
        seen.append((text, *counts))
        yield {
            "words": text,
            f"only {base}": system.lost.link(thing),
            f"only {name}": system.right.link(thing),
        }
        if len(seen) == MOST:
            return


def _right_words(row: UtteranceRow, node: str) -> Iterator[tuple[str, ...]]:
    """Words of the reference transcript that the output has at their place."""
    for edit in row.alignments[node].edits:
        if edit.operation == "equal" and edit.reference is not None:
            yield (edit.reference,)


def _ngrams(text: str, order: int, language: str) -> Counter[tuple[str, ...]]:
    """Return n-grams of words, without those that hold punctuation."""
    words = split_units(text, language)
    ngrams = zip(*(words[start:] for start in range(order)), strict=False)
    return Counter(ngram for ngram in ngrams if all(any(c.isalnum() for c in word) for word in ngram))
