"""A system's blame from its outputs on gold texts: by corpus, by kind of error, by utterance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.analysis.attribution import Attribution, GoldParts, attribute, list_parts, required_gold_parts
from components.analysis.error_costs import Correlation, KindCost, measure_correlation, measure_kind_costs
from components.analysis.oracle_repair import ERROR_KINDS, count_errors
from components.errors import DataError
from components.metrics.corpus_statistics import CorpusStatistics, translation_statistics
from components.metrics.languages import Language
from components.metrics.shapley import shapley_values
from components.metrics.translation import sentence_scores
from components.metrics.wer import utterance_errors
from components.records import Record, Utterance

ATTRIBUTION_METRICS = ("bleu", "chrf")
SEGMENTATION = "segmentation"
"""The part that a gold segmentation puts right: a stage of its own, above the recognition."""
NOTHING_TO_ATTRIBUTE = (
    "blame: expected spoken utterances with a reference transcript and a reference translation, found none; "
    "add transcript and references to the data (and say target_language where it has several), or set blame "
    "to false"
)


class AttributionReport(Record):
    """Blame by each metric, the cost of each kind of error (BLEU), and WER against loss (chrF)."""

    blames: tuple[Attribution, ...]
    kinds: tuple[KindCost, ...]
    wer_and_loss: Correlation


@dataclass(frozen=True)
class AttributionCase:
    """An utterance with its reference texts, its transcript ("" where it is written) and what came out."""

    utterance: Utterance
    transcript: str
    output: str


def attribute_cascade(
    cases: Sequence[AttributionCase],
    repaired: Mapping[str, Mapping[str, str]],
    stages: Mapping[str, Sequence[str]],
    last: str,
    n_total: int,
) -> tuple[AttributionReport, dict[str, dict[str, float]]]:
    """The report, and numbers of every utterance by name.

    Args:
        repaired: output by utterance id of each repaired transcript: of every set of parts that
            :func:`~components.analysis.attribution.required_gold_parts` lists (joined by ``+``) and of every kind of error.
            What is absent came out as it was, having had no such error.
        stages: stage -> the parts in which its text is put right; none where it is put right as a whole.
        last: name of the stage whose output is scored.

    Raises:
        DataError: no utterance has a transcript, a translation and references for both.
    """
    parts = list_parts(stages)
    cases = [
        one for one in cases if any(one.utterance.references) and (one.utterance.transcript or not parts)
    ]
    if not cases:
        raise DataError(NOTHING_TO_ATTRIBUTE)
    languages = _languages(cases)
    tables = {name: _table(cases, texts, languages[1], n_total) for name, texts in repaired.items()}
    base = _table(cases, {}, languages[1], n_total)
    sets = {one: tables.get(gold_parts_name(one, stages), base) for one in required_gold_parts(stages)}
    counts = {one.utterance.id: _count(one) for one in cases if parts}
    values = _per_utterance(cases, repaired, parts, languages)
    report = AttributionReport(
        blames=tuple(
            attribute({part: table[name] for part, table in sets.items()}, stages, last)
            for name in ATTRIBUTION_METRICS
        ),
        kinds=measure_kind_costs(
            base["bleu"],
            {kind: tables.get(_key(kind), base)["bleu"] for kind in ERROR_KINDS if parts},
            counts,
        ),
        wer_and_loss=measure_correlation(
            [one["wer"] for one in values.values() if "wer" in one],
            [one["gap asr"] for one in values.values() if "wer" in one],
        ),
    )
    return report, values


def gold_parts_name(parts: GoldParts, stages: Mapping[str, Sequence[str]]) -> str:
    """The name of a set of parts: they are joined in the order of their stages."""
    ordered = [part for stage, inside in stages.items() for part in (inside or (stage,))]
    return "+".join(part for part in ordered if part in parts)


def _count(case: AttributionCase) -> Counter[str]:
    return count_errors(case.transcript, str(case.utterance.transcript), case.utterance.source_language)


def _key(kind: str) -> str:
    return kind.replace(" ", "-")


def _languages(cases: Sequence[AttributionCase]) -> tuple[Language, Language]:
    """Source and target language of every utterance."""
    known = [one.utterance for one in cases]
    return (
        {one.id: one.source_language for one in known},
        {one.id: one.target_language or "und" for one in known},
    )


def _texts(cases: Sequence[AttributionCase], changed: Mapping[str, str]) -> dict[str, str]:
    return {one.utterance.id: changed.get(one.utterance.id, one.output) for one in cases}


def _table(
    cases: Sequence[AttributionCase], changed: Mapping[str, str], language: Language, n_total: int
) -> dict[str, CorpusStatistics]:
    references = {one.utterance.id: one.utterance.references for one in cases}
    return translation_statistics(
        references, _texts(cases, changed), language=language, n_total=n_total, names=ATTRIBUTION_METRICS
    )


def _per_utterance(
    cases: Sequence[AttributionCase],
    repaired: Mapping[str, Mapping[str, str]],
    parts: Sequence[str],
    languages: tuple[Language, Language],
) -> dict[str, dict[str, float]]:
    """Per utterance: WER, chrF as it is and with a gold transcript, gap, shares of the parts, remainder."""
    references = {one.utterance.id: one.utterance.references for one in cases}
    spoken = {one.utterance.id: str(one.utterance.transcript) for one in cases if one.utterance.transcript}
    errors = utterance_errors(
        spoken,
        {one.utterance.id: one.transcript for one in cases if one.utterance.id in spoken},
        language=languages[0],
    )
    scores: dict[GoldParts, dict[str, dict[str, float]]] = {}
    for number in range(2 ** len(parts)):
        chosen = [part for place, part in enumerate(parts) if number >> place & 1]
        texts = _texts(cases, repaired.get("+".join(chosen), {}))
        scores[frozenset(chosen)] = sentence_scores(references, texts, language=languages[1])
    found: dict[str, dict[str, float]] = {}
    for key in scores[frozenset()]:
        full, gold = scores[frozenset()][key]["chrf"], scores[frozenset(parts)][key]["chrf"]
        values = {part: found_[key]["chrf"] for part, found_ in scores.items()}
        shares = shapley_values(parts, values.__getitem__) if parts else {}
        found[key] = {"chrf": full, "gold chrf": gold, "gap asr": gold - full, "remainder": 100.0 - gold}
        found[key] |= {f"shapley {part}": share for part, share in shares.items()}
        if key in errors and (rate := errors[key].rate) is not None:
            found[key]["wer"] = rate
    return found
