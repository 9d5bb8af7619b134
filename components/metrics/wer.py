"""Word and character error rates of transcripts, in percent: 100 x (S + D + I) / N over the whole corpus.

Both sides pass the same declared normaliser first (jiwer neither lowercases nor strips punctuation).
Utterances whose reference is empty after it hold no words to get wrong: they are kept apart, and what was
transcribed on them is reported as ``hallucinations`` instead of vanishing in (or blowing up) the ratio.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import jiwer

from components.metrics.bootstrap import RESAMPLES, SEED, ratio_interval
from components.metrics.languages import Language, group_by_language, merge_signatures
from components.metrics.normalizers import normalizer_for, without_spaces
from components.metrics.pairing import ScoredPairs, align_by_id
from components.records import Score
from components.text_normalization import Normalizer


@dataclass(frozen=True, slots=True)
class ErrorCounts:
    """Edits of one utterance against ``length`` reference words (or characters)."""

    substitutions: int
    deletions: int
    insertions: int
    length: int

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions together."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float | None:
        """Error rate in percent; None where the reference is empty and no rate exists."""
        return 100.0 * self.errors / self.length if self.length else None


def recognition_scores(
    references: Mapping[str, str],
    hypotheses: Mapping[str, str],
    *,
    language: Language,
    n_total: int,
    normalizer: Normalizer | None = None,
) -> dict[str, Score]:
    """``wer`` and ``cer`` in percent with 95% bootstrap intervals, and ``hallucinations`` on silence.

    ``language`` is that of all or of each utterance: every utterance passes the normaliser of its own.
    ``n`` counts the utterances that were scored: those with a hypothesis and a reference that is not empty
    after normalisation. ``wer`` leaves out languages written without spaces; a metric with nothing to
    score is left out. ``hallucinations`` (utterances with an empty reference that got words) appears only
    where there are such references.
    """
    pairs = normalize_pairs(align_by_id(references, hypotheses, n_total), language, normalizer)
    apart = sum(not reference for reference in pairs.references)
    scores: dict[str, Score] = {}
    for name, (_, counts, norm) in count_by_metric(pairs, language, normalizer).items():
        scores[name] = _rate(name, counts, n_total, f"norm:{norm}|empty:{apart} apart")
    if apart:
        scores["hallucinations"] = _hallucinations(pairs, _signature(pairs.ids, language, normalizer))
    return scores


def utterance_errors(
    references: Mapping[str, str],
    hypotheses: Mapping[str, str],
    *,
    language: Language,
    normalizer: Normalizer | None = None,
) -> dict[str, ErrorCounts]:
    """Counts per utterance id, of words (of characters in languages written without spaces).

    They add up to the corpus score, with the utterances of empty reference (``length`` 0) apart.
    """
    total = len(references.keys() | hypotheses.keys())
    pairs = normalize_pairs(align_by_id(references, hypotheses, total), language, normalizer)
    found: dict[str, ErrorCounts] = {}
    for code, places in group_by_language(pairs.ids, language).items():
        counts_of = count_character_errors if without_spaces(code) else count_word_errors
        found |= dict(zip((pairs.ids[p] for p in places), _counted(counts_of, pairs, places), strict=True))
    return {key: found[key] for key in pairs.ids}


def count_word_errors(references: Sequence[str], hypotheses: Sequence[str]) -> list[ErrorCounts]:
    """Edits of whitespace-separated words; both sequences normalised and of equal length."""
    if not references:
        return []
    return _counts(jiwer.process_words(list(references), list(hypotheses), _WORDS, _WORDS))


def count_character_errors(references: Sequence[str], hypotheses: Sequence[str]) -> list[ErrorCounts]:
    """Edits of characters, a space between words being one of them."""
    if not references:
        return []
    return _counts(jiwer.process_characters(list(references), list(hypotheses), _CHARACTERS, _CHARACTERS))


# jiwer's defaults strip and squeeze spaces on their own; ours come from the declared normaliser only.
_WORDS = jiwer.Compose([jiwer.ReduceToListOfListOfWords()])
_CHARACTERS = jiwer.Compose([jiwer.ReduceToListOfListOfChars()])

Counter = Callable[[Sequence[str], Sequence[str]], list[ErrorCounts]]


def count_by_metric(
    pairs: ScoredPairs[str], language: Language, normalizer: Normalizer | None
) -> dict[str, tuple[tuple[str, ...], list[ErrorCounts], str]]:
    """``wer`` and ``cer`` -> ids, edits of each, normalisers; what has nothing to count is left out.

    Empty references are left out, and of words those of languages without spaces. ``pairs`` are normalised.
    """
    languages = group_by_language(pairs.ids, language)
    without = {place for code, places in languages.items() if without_spaces(code) for place in places}
    spoken = [place for place, reference in enumerate(pairs.references) if reference]
    counters: dict[str, tuple[Counter, list[int]]] = {
        "wer": (count_word_errors, [place for place in spoken if place not in without]),
        "cer": (count_character_errors, spoken),
    }
    found = {}
    for name, (counts_of, places) in counters.items():
        if places:
            ids = tuple(pairs.ids[place] for place in places)
            counts = _counted(counts_of, pairs, places)
            found[name] = (ids, counts, _signature(ids, language, normalizer))
    return found


def normalize_pairs(
    pairs: ScoredPairs[str], language: Language, normalizer: Normalizer | None
) -> ScoredPairs[str]:
    """The pairs with both sides under ``normaliser``, or else under that of their language."""
    references, hypotheses = list(pairs.references), list(pairs.hypotheses)
    for code, places in group_by_language(pairs.ids, language).items():
        norm = normalizer or normalizer_for(code)
        for place in places:
            references[place] = norm(references[place])
            hypotheses[place] = norm(hypotheses[place])
    return ScoredPairs(pairs.ids, tuple(references), tuple(hypotheses), pairs.n_total)


def _signature(ids: Sequence[str], language: Language, normalizer: Normalizer | None) -> str:
    norms = {code: normalizer or normalizer_for(code) for code in group_by_language(ids, language)}
    return merge_signatures({code: norm.signature for code, norm in norms.items()})


def _counted(counts_of: Counter, pairs: ScoredPairs[str], places: Sequence[int]) -> list[ErrorCounts]:
    return counts_of([pairs.references[p] for p in places], [pairs.hypotheses[p] for p in places])


def _counts(output: jiwer.WordOutput | jiwer.CharacterOutput) -> list[ErrorCounts]:
    result = []
    for reference, chunks in zip(output.references, output.alignments, strict=True):
        tally = {"substitute": 0, "delete": 0, "insert": 0, "equal": 0}
        for chunk in chunks:
            span = (chunk.ref_end_idx - chunk.ref_start_idx, chunk.hyp_end_idx - chunk.hyp_start_idx)
            tally[chunk.type] += max(span)
        result.append(ErrorCounts(tally["substitute"], tally["delete"], tally["insert"], len(reference)))
    return result


def _rate(name: str, counts: Sequence[ErrorCounts], n_total: int, protocol: str) -> Score:
    errors = [count.errors for count in counts]
    lengths = [count.length for count in counts]
    share = ratio_interval(errors, lengths)
    unit = "word" if name == "wer" else "char"
    return Score(
        name=name,
        value=100.0 * (sum(errors) / sum(lengths)),
        higher_is_better=False,
        interval=share and (100.0 * share[0], 100.0 * share[1]),
        n=len(counts),
        n_total=n_total,
        signature=f"{name}|corpus|{unit}:{sum(lengths)}|{protocol}"
        f"|bs:{RESAMPLES}|rs:{SEED}|jiwer:{version('jiwer')}",
    )


def _hallucinations(pairs: ScoredPairs[str], norm: str) -> Score:
    """Utterances with an empty reference that were given words, as a count; the words in the signature."""
    silent = [hyp for ref, hyp in zip(pairs.references, pairs.hypotheses, strict=True) if not ref]
    return Score(
        name="hallucinations",
        value=float(sum(bool(text) for text in silent)),
        higher_is_better=False,
        n=len(silent),
        n_total=pairs.n_total,
        signature=f"count|empty references:{len(silent)}"
        f"|inserted words:{sum(len(text.split()) for text in silent)}|norm:{norm}",
    )
