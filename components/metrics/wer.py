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

from components.metrics.bootstrap import RESAMPLES, SEED, percentile_interval
from components.metrics.normalising import normaliser_for, without_spaces
from components.metrics.pairing import Pairs, pair
from components.records import Score
from components.text import Normaliser


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
    language: str,
    n_total: int,
    normaliser: Normaliser | None = None,
) -> dict[str, Score]:
    """``wer`` and ``cer`` in percent with 95% bootstrap intervals, and ``hallucinations`` on silence.

    ``n`` counts the utterances that were scored: those with a hypothesis and a reference that is not empty
    after normalisation. ``wer`` is left out for languages written without spaces; a metric with nothing to
    score is left out. ``hallucinations`` (utterances with an empty reference that got words) appears only
    where there are such references.
    """
    norm = normaliser or normaliser_for(language)
    pairs = normalised(pair(references, hypotheses, n_total), norm)
    spoken = [i for i, reference in enumerate(pairs.references) if reference]
    apart = len(pairs.ids) - len(spoken)
    scores: dict[str, Score] = {}
    for name, counts_of in units(language).items():
        counts = counts_of([pairs.references[i] for i in spoken], [pairs.hypotheses[i] for i in spoken])
        if counts:
            scores[name] = _rate(name, counts, n_total, f"norm:{norm.signature}|empty:{apart} apart")
    if apart:
        scores["hallucinations"] = _hallucinations(pairs, norm)
    return scores


def utterance_errors(
    references: Mapping[str, str],
    hypotheses: Mapping[str, str],
    *,
    language: str,
    normaliser: Normaliser | None = None,
) -> dict[str, ErrorCounts]:
    """Counts per utterance id, of words (of characters in languages written without spaces).

    They add up to the corpus score, with the utterances of empty reference (``length`` 0) apart.
    """
    norm = normaliser or normaliser_for(language)
    pairs = normalised(pair(references, hypotheses, len(references.keys() | hypotheses.keys())), norm)
    counts_of = next(iter(units(language).values()))
    return dict(zip(pairs.ids, counts_of(pairs.references, pairs.hypotheses), strict=True))


def word_errors(references: Sequence[str], hypotheses: Sequence[str]) -> list[ErrorCounts]:
    """Edits of whitespace-separated words; both sequences normalised and of equal length."""
    if not references:
        return []
    return _counts(jiwer.process_words(list(references), list(hypotheses), _WORDS, _WORDS))


def character_errors(references: Sequence[str], hypotheses: Sequence[str]) -> list[ErrorCounts]:
    """Edits of characters, a space between words being one of them."""
    if not references:
        return []
    return _counts(jiwer.process_characters(list(references), list(hypotheses), _CHARACTERS, _CHARACTERS))


# jiwer's defaults strip and squeeze spaces on their own; ours come from the declared normaliser only.
_WORDS = jiwer.Compose([jiwer.ReduceToListOfListOfWords()])
_CHARACTERS = jiwer.Compose([jiwer.ReduceToListOfListOfChars()])

Counter = Callable[[Sequence[str], Sequence[str]], list[ErrorCounts]]


def units(language: str) -> dict[str, Counter]:
    """What is counted in a language: words and characters, or characters alone."""
    if without_spaces(language):
        return {"cer": character_errors}
    return {"wer": word_errors, "cer": character_errors}


def normalised(pairs: Pairs[str], normaliser: Normaliser) -> Pairs[str]:
    """The pairs with both sides under one normaliser."""
    return Pairs(
        pairs.ids,
        tuple(normaliser(text) for text in pairs.references),
        tuple(normaliser(text) for text in pairs.hypotheses),
        pairs.n_total,
    )


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
    low, high = percentile_interval(errors, lengths)
    unit = "word" if name == "wer" else "char"
    return Score(
        name=name,
        value=100.0 * (sum(errors) / sum(lengths)),
        higher_is_better=False,
        interval=(100.0 * low, 100.0 * high),
        n=len(counts),
        n_total=n_total,
        signature=f"{name}|corpus|{unit}:{sum(lengths)}|{protocol}"
        f"|bs:{RESAMPLES}|rs:{SEED}|jiwer:{version('jiwer')}",
    )


def _hallucinations(pairs: Pairs[str], normaliser: Normaliser) -> Score:
    """Utterances with an empty reference that were given words, as a count; the words in the signature."""
    silent = [hyp for ref, hyp in zip(pairs.references, pairs.hypotheses, strict=True) if not ref]
    return Score(
        name="hallucinations",
        value=float(sum(bool(text) for text in silent)),
        higher_is_better=False,
        n=len(silent),
        n_total=pairs.n_total,
        signature=f"count|empty references:{len(silent)}"
        f"|inserted words:{sum(len(text.split()) for text in silent)}|norm:{normaliser.signature}",
    )
