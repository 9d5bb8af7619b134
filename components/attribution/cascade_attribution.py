"""Error attribution of a cascade from its outputs on corrected texts: corpus, kinds of error, utterances."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from components.attribution.attribution import (
    Attribution,
    GoldParts,
    attribute,
    list_gold_parts,
    list_parts,
)
from components.attribution.error_costs import (
    Correlation,
    KindCost,
    measure_correlation,
    measure_kind_costs,
)
from components.attribution.oracle_repair import ERROR_KINDS, count_errors
from components.errors import DataError
from components.metrics.error_rates.recognition import utterance_errors
from components.metrics.languages import Language
from components.metrics.metric import align_segments
from components.metrics.normalizers import BY_LANGUAGE
from components.metrics.scoring_units import ScoringUnits
from components.metrics.statistics.corpus_statistics import CorpusStatistics, text_statistics
from components.metrics.statistics.shapley import shapley_values
from components.metrics.table import METRICS
from components.records import Record, Utterance
from components.text.languages import UNDETERMINED

ATTRIBUTION_METRICS = ("bleu", "chrf")
"""Metrics by which losses are attributed; the first also says what each kind of error costs."""
SEGMENTATION = "segmentation"
"""The part that a gold segmentation puts right: a stage of its own, above the recognition."""
NOTHING_TO_ATTRIBUTE = (
    "blame: expected spoken utterances with a reference transcript and a reference translation, found none; "
    "add transcript and references to the data (and say target_language where it has several), or set blame "
    "to false"
)


class AttributionReport(Record):
    """Attribution by each metric, the cost of each kind of error (BLEU), and WER against loss (chrF)."""

    blames: tuple[Attribution, ...]
    kinds: tuple[KindCost, ...]
    wer_and_loss: Correlation


@dataclass(frozen=True)
class AttributionCase:
    """An utterance with its references, its transcript ("" where the source is text) and the final output."""

    utterance: Utterance
    transcript: str
    output: str


def attribute_cascade(  # noqa: PLR0913 - options after the outputs
    cases: Sequence[AttributionCase],
    repaired: Mapping[str, Mapping[str, str]],
    stages: Mapping[str, Sequence[str]],
    last: str,
    n_total: int,
    *,
    metrics: Sequence[str] = ATTRIBUTION_METRICS,
    human_scores: Mapping[str, float] | None = None,
    normalizer: str = BY_LANGUAGE,
) -> tuple[AttributionReport, dict[str, dict[str, float]]]:
    """Attribute the losses of a cascade; also gives the numbers of every utterance (id -> name -> number).

    Args:
        cases: the utterances that came out, as they came out.
        repaired: output by utterance id of each repaired transcript: of every set of parts that
            ``list_gold_parts`` lists (joined by ``+``) and of every
            kind of error. What is absent came out as it was, having had no such error.
        stages: stage -> the parts in which its text is put right; none where it is put right as a whole.
        last: name of the stage whose output is scored.
        n_total: utterances of the data set.
        metrics: names of metrics of translations where more is better; the first also counts kinds of errors.
        human_scores: metric -> what a human scores against the same references, where that is known.
        normalizer: that the WER of an utterance is counted under.

    Raises:
        DataError: no utterance has a transcript, a translation and references for both.
    """
    parts = list_parts(stages)
    cases = [
        case for case in cases if any(case.utterance.references) and (case.utterance.transcript or not parts)
    ]
    if not cases:
        raise DataError(NOTHING_TO_ATTRIBUTE)
    cases, repaired, units = _split_recordings(cases, repaired)
    languages = _languages(cases)

    def measure(texts: Mapping[str, str]) -> dict[str, CorpusStatistics]:
        references = {case.utterance.id: case.utterance.references for case in cases}
        outputs = _outputs(cases, texts)
        statistics = text_statistics(
            references, outputs, language=languages[1], n_total=units.count(n_total), names=metrics
        )
        return {
            name: replace(table, signature=units.sign(table.signature)) for name, table in statistics.items()
        }

    tables = {name: measure(texts) for name, texts in repaired.items()}
    base = measure({})
    sets = {gold: tables.get(gold_parts_name(gold, stages), base) for gold in list_gold_parts(stages)}
    counts = {case.utterance.id: _count(case) for case in cases if parts}
    numbers = _numbers_by_utterance(cases, repaired, parts, languages, normalizer)
    first = metrics[0]
    report = AttributionReport(
        blames=tuple(
            attribute(
                {gold: table[name] for gold, table in sets.items()},
                stages,
                last,
                ceiling=(human_scores or {}).get(name),
            )
            for name in metrics
        ),
        kinds=measure_kind_costs(
            base[first],
            {kind: tables.get(kind.replace(" ", "-"), base)[first] for kind in ERROR_KINDS if parts},
            counts,
        ),
        wer_and_loss=measure_correlation(
            [row["wer"] for row in numbers.values() if "wer" in row],
            [row["gap asr"] for row in numbers.values() if "wer" in row],
        ),
    )
    return report, numbers


def _split_recordings(
    cases: Sequence[AttributionCase], repaired: Mapping[str, Mapping[str, str]]
) -> tuple[list[AttributionCase], dict[str, dict[str, str]], ScoringUnits]:
    """Cut the texts of long recordings to their reference segments, where these have both references."""
    utterances = [
        case.utterance
        if all(
            (segment.transcript or "").strip() and segment.references
            for segment in case.utterance.reference_segments
        )
        else case.utterance.model_copy(update={"reference_segments": ()})
        for case in cases
    ]
    source, target = _languages(cases)
    transcripts = {case.utterance.id: case.transcript for case in cases}
    outputs = {case.utterance.id: case.output for case in cases}
    units = ScoringUnits(utterances, "translation", target, blocks=False)
    of_transcripts = ScoringUnits(utterances, "transcript", source, blocks=False)
    spoken = transcripts | of_transcripts.split(transcripts)
    written = units.split(outputs)
    return (
        [AttributionCase(unit, spoken[unit.id], written[unit.id]) for unit in units.utterances],
        {name: units.split(texts) for name, texts in repaired.items()},
        units,
    )


def gold_parts_name(parts: GoldParts, stages: Mapping[str, Sequence[str]]) -> str:
    """Return a set of parts as one name: joined by ``+`` in the order of their stages."""
    ordered = [part for stage, inside in stages.items() for part in (inside or (stage,))]
    return "+".join(part for part in ordered if part in parts)


def _count(case: AttributionCase) -> Counter[str]:
    return count_errors(case.transcript, str(case.utterance.transcript), case.utterance.source_language)


def _languages(cases: Sequence[AttributionCase]) -> tuple[Language, Language]:
    """Return the source and target language of every utterance."""
    utterances = [case.utterance for case in cases]
    return (
        {utterance.id: utterance.source_language for utterance in utterances},
        {utterance.id: utterance.target_language or UNDETERMINED for utterance in utterances},
    )


def _outputs(cases: Sequence[AttributionCase], changed: Mapping[str, str]) -> dict[str, str]:
    """Return the output by utterance id, those of ``changed`` in the place of their own."""
    return {case.utterance.id: changed.get(case.utterance.id, case.output) for case in cases}


def _numbers_by_utterance(
    cases: Sequence[AttributionCase],
    repaired: Mapping[str, Mapping[str, str]],
    parts: Sequence[str],
    languages: tuple[Language, Language],
    normalizer: str,
) -> dict[str, dict[str, float]]:
    """Per utterance: WER, chrF as it is and with a gold transcript, gap, shares of the parts, remainder."""
    references = {case.utterance.id: case.utterance.references for case in cases}
    spoken = {
        case.utterance.id: str(case.utterance.transcript) for case in cases if case.utterance.transcript
    }
    errors = utterance_errors(
        spoken,
        {case.utterance.id: case.transcript for case in cases if case.utterance.id in spoken},
        language=languages[0],
        normalizer=normalizer,
    )
    chrf: dict[GoldParts, dict[str, float]] = {}
    for number in range(2 ** len(parts)):
        gold = [part for position, part in enumerate(parts) if number >> position & 1]
        outputs = _outputs(cases, repaired.get("+".join(gold), {}))
        segments = align_segments(references, outputs, languages[1], len(references))
        chrf[frozenset(gold)] = METRICS["chrf"].sentence_scores(segments)
    numbers: dict[str, dict[str, float]] = {}
    for key, full in chrf[frozenset()].items():
        all_gold = chrf[frozenset(parts)][key]
        values = {gold: scores[key] for gold, scores in chrf.items()}
        shares = shapley_values(parts, values.__getitem__) if parts else {}
        row = {"chrf": full, "gold chrf": all_gold, "gap asr": all_gold - full, "remainder": 100.0 - all_gold}
        row |= {f"shapley {part}": share for part, share in shares.items()}
        if key in errors and (rate := errors[key].rate) is not None:
            row["wer"] = rate
        numbers[key] = row
    return numbers
