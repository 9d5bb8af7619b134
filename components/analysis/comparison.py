"""Several systems on one data set: one table of quality with paired tests, cost, groups and examples.

Everything is joined by utterance id. Utterances that a system put aside are either left out for all systems
or count as empty outputs; both are stated with their number, and nothing is dropped in silence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.analysis.buckets import group_utterances
from components.analysis.leaderboard import (
    Bucket,
    Contrast,
    Cost,
    SystemRow,
    build_leaderboard,
    find_contrasts,
    score_buckets,
)
from components.errors import DataError
from components.metrics.corpus_statistics import (
    CorpusStatistics,
    recognition_statistics,
    translation_statistics,
)
from components.metrics.languages import Language
from components.metrics.settings import ComparisonSettings
from components.metrics.significance import Difference, compare_to_baseline
from components.metrics.translation import sentence_scores
from components.metrics.wer import utterance_errors
from components.records import Record, Utterance


@dataclass(frozen=True)
class System:
    """A system's outputs by utterance id: translations and, where it hears, transcripts."""

    name: str
    translations: Mapping[str, str]
    transcripts: Mapping[str, str]
    cost: Cost


class Comparison(Record):
    """The whole comparison; ``ranking`` names the metric that groups, examples and the Pareto set use."""

    baseline: str
    ranking: str | None
    rows: tuple[SystemRow, ...]
    differences: tuple[Difference, ...]
    buckets: tuple[Bucket, ...]
    contrasts: tuple[Contrast, ...]
    n: int
    n_total: int
    notes: tuple[str, ...] = ()


def compare(
    utterances: Sequence[Utterance],
    systems: Sequence[System],
    settings: ComparisonSettings,
    *,
    language: Language,
    source_language: Language,
) -> tuple[Comparison, dict[str, dict[str, float]]]:
    """Compare; also gives utterance id -> system -> sentence chrF (WER where that or CER ranks).

    ``language`` (the target's) and ``source_language`` decide on tokenisers and normalisers.

    Raises:
        DataError: a system or an utterance twice, no such baseline, outputs of other utterances.
    """
    baseline = settings.baseline or systems[0].name
    _check(utterances, systems, baseline)
    filled, notes = _filled(utterances, systems, settings.missing)
    tables = {
        one.name: _statistics(utterances, one, settings.metrics, language, source_language) for one in filled
    }
    ranking = next((name for name in settings.metrics if name in tables[baseline]), None)
    errors = {one.name: _error_rates(utterances, one, source_language) for one in filled}
    similar = {one.name: _similar(utterances, one, language) for one in filled}
    found = errors if ranking in ("wer", "cer") else similar
    values = {u.id: {name: of[u.id] for name, of in found.items() if u.id in of} for u in utterances}
    comparison = Comparison(
        baseline=baseline,
        ranking=ranking,
        rows=build_leaderboard(
            tables, {one.name: one.cost for one in systems}, _missing(utterances, systems), ranking
        ),
        differences=tuple(compare_to_baseline(tables, baseline, settings.test)),
        buckets=score_buckets(tables, group_utterances(utterances, errors.get(baseline)), baseline, ranking),
        contrasts=find_contrasts(values, baseline, settings.examples, higher_is_better=found is similar),
        n=len(tables[baseline][ranking].ids) if ranking else 0,
        n_total=len(utterances),
        notes=tuple(notes),
    )
    return comparison, values


def _check(utterances: Sequence[Utterance], systems: Sequence[System], baseline: str) -> None:
    names = [one.name for one in systems]
    if len(set(names)) != len(names):
        raise DataError(f"expected systems of different names, found {', '.join(sorted(names))}")
    if baseline not in names:
        raise DataError(f"expected the baseline among {', '.join(names)}, found {baseline!r}")
    known = {utterance.id for utterance in utterances}
    if len(known) != len(utterances):
        twice = min(key for key, n in Counter(one.id for one in utterances).items() if n > 1)
        raise DataError(f"expected every utterance once, found {twice!r} again; give each its own id")
    for one in systems:
        extra = (one.translations.keys() | one.transcripts.keys()) - known
        if extra:
            raise DataError(
                f"expected system {one.name} to have outputs of this data set only, found {len(extra)} more "
                f"(first {min(extra)!r}); compare runs of the same data"
            )


def _filled(
    utterances: Sequence[Utterance], systems: Sequence[System], missing: str
) -> tuple[list[System], list[str]]:
    """Systems that all have the same utterances, in each kind of output, and what was done for that."""
    notes: list[str] = []
    kinds: list[dict[str, dict[str, str]]] = []
    wanted = {"translations": utterances, "transcripts": [one for one in utterances if one.audio is not None]}
    for kind, asked in wanted.items():
        outputs = {one.name: dict(getattr(one, kind)) for one in systems if getattr(one, kind)}
        union = {key for texts in outputs.values() for key in texts}
        common = {key for key in union if all(key in texts for texts in outputs.values())}
        if common != union and missing == "common":
            notes.append(f"{len(union - common)} of {len(union)} {kind} left out: not every system has them")
        if missing == "empty":
            common = union | {one.id for one in asked}  # also what none of them has
            filled = sum(len(common - texts.keys()) for texts in outputs.values())
            notes += [f"{filled} missing {kind} count as empty outputs"] if filled else []
            outputs = {name: dict.fromkeys(common, "") | texts for name, texts in outputs.items()}
        kinds.append({name: {key: texts[key] for key in common} for name, texts in outputs.items()})
    translations, transcripts = kinds
    return [
        System(one.name, translations.get(one.name, {}), transcripts.get(one.name, {}), one.cost)
        for one in systems
    ], notes


def _statistics(
    utterances: Sequence[Utterance],
    system: System,
    names: Sequence[str],
    target: Language,
    source: Language,
) -> dict[str, CorpusStatistics]:
    total = len(utterances)
    references = {u.id: u.references for u in utterances if u.references}
    given = {key: text for key, text in system.translations.items() if key in references}
    found = translation_statistics(references, given, language=target, n_total=total, names=names)
    spoken = {u.id: u.transcript for u in utterances if u.audio is not None and u.transcript is not None}
    heard = {key: text for key, text in system.transcripts.items() if key in spoken}
    if spoken and heard:
        found |= recognition_statistics(spoken, heard, language=source, n_total=total)
    return {name: found[name] for name in names if name in found}


def _missing(utterances: Sequence[Utterance], systems: Sequence[System]) -> dict[str, int]:
    """System -> utterances of which it has nothing at all."""
    everything = {utterance.id for utterance in utterances}
    return {one.name: len(everything - (one.translations or one.transcripts).keys()) for one in systems}


def _error_rates(utterances: Sequence[Utterance], system: System, source: Language) -> dict[str, float]:
    """Utterance -> WER of its transcript (CER in languages without spaces)."""
    spoken = {u.id: u.transcript for u in utterances if u.audio is not None and u.transcript is not None}
    heard = {key: text for key, text in system.transcripts.items() if key in spoken}
    counts = utterance_errors(spoken, heard, language=source) if spoken and heard else {}
    return {key: count.rate for key, count in counts.items() if count.rate is not None}


def _similar(utterances: Sequence[Utterance], system: System, target: Language) -> dict[str, float]:
    """Utterance -> chrF of its translation."""
    references = {u.id: u.references for u in utterances if u.references}
    given = {key: text for key, text in system.translations.items() if key in references}
    scores = sentence_scores(references, given, language=target) if given else {}
    return {key: score["chrf"] for key, score in scores.items()}
