"""Systems as statistics over the utterances that are compared, joined by utterance id."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from components.analysis.cost import Cost
from components.comparison.comparison_settings import ComparisonSettings
from components.comparison.external.external_scores import Judgements, join_scores
from components.comparison.ranking import Scope, scope_of
from components.comparison.stated_comparisons import check_stated
from components.comparison.strengths.strength_curves import Conditions
from components.errors import DataError
from components.metrics.error_rates.turns import Turns
from components.metrics.languages import Language, assign_languages, transcript_metric
from components.metrics.metric import Metric, Segments
from components.metrics.scores_file import ExternalScores
from components.metrics.scoring_units import ScoringUnits
from components.metrics.statistics.corpus_statistics import CorpusStatistics
from components.metrics.table import METRICS, get_metric, sort_metrics, under_normalizer
from components.records import Utterance


@dataclass(frozen=True)
class System:
    """A system's outputs by utterance id: translations and, of speech, transcripts; and what they cost.

    ``conditions`` say at which strengths of perturbations, where they are known; ``turns`` are those of its
    transcripts, where these have speakers.
    """

    name: str
    translations: Mapping[str, str]
    transcripts: Mapping[str, str]
    cost: Cost
    conditions: Conditions | None = None
    turns: Mapping[str, Turns | None] = field(default_factory=dict)


class Tabulated(NamedTuple):
    """Systems as statistics, over the utterances that are compared.

    Attributes:
        baseline: the system that the others are compared with.
        tables: system -> metric -> statistics.
        metrics: those of the settings, by name.
        segments: system -> what of it is scored.
        units: what is scored.
        judgements: of external scores.
        notes: on what was left out.
    """

    baseline: str
    tables: dict[str, dict[str, CorpusStatistics]]
    metrics: dict[str, Metric]
    segments: dict[str, dict[Scope, Segments | None]]
    units: dict[Scope, ScoringUnits]
    judgements: tuple[Judgements, ...]
    notes: list[str]


def tabulate(
    utterances: Sequence[Utterance],
    systems: Sequence[System],
    settings: ComparisonSettings,
    *,
    language: Language,
    source_language: Language,
    bind: Callable[[str], Metric] = get_metric,
    scores: Sequence[ExternalScores] = (),
) -> Tabulated:
    """Count the statistics of systems; arguments and errors are those of :func:`compare`."""
    baseline = settings.baseline or systems[0].name
    _check(utterances, systems, baseline)
    check_stated(settings.primary, [system.name for system in systems], baseline)
    complete, notes = _complete(utterances, systems, settings.missing)
    languages = {"translation": language, "transcript": source_language}
    names = _choose_metrics(settings.metrics, utterances, source_language)
    bound = [under_normalizer(bind(name), settings.normalizer) for name in names]
    metrics = {metric.name: metric for metric in bound}
    counted = [METRICS[name] for name in sort_metrics(METRICS)]
    units = {
        scope: ScoringUnits(
            utterances, scope.output, languages[scope.output], with_references=scope.has_references
        )
        for scope in dict.fromkeys(map(scope_of, (*counted, *metrics.values())))
    }
    segments = {
        system.name: {
            scope: of.align(getattr(system, f"{scope.output}s"), len(utterances), system.turns)
            for scope, of in units.items()
        }
        for system in complete
    }
    tables = {
        name: _statistics(outputs, units, metrics.values(), len(utterances))
        for name, outputs in segments.items()
    }
    _share_recordings(tables)
    judgements = join_scores(scores, tables, units, len(utterances), notes)
    return Tabulated(baseline, tables, metrics, segments, units, judgements, notes)


def _choose_metrics(
    names: Sequence[str], utterances: Sequence[Utterance], source_language: Language
) -> list[str]:
    """The metrics, with CER for WER where nothing is spoken in a language with spaces between words."""
    spoken = [utterance.id for utterance in utterances if utterance.audio is not None]
    error_rate = transcript_metric(assign_languages(spoken, source_language)) if spoken else "wer"
    return list(dict.fromkeys(error_rate if name == "wer" else name for name in names))


def _check(utterances: Sequence[Utterance], systems: Sequence[System], baseline: str) -> None:
    names = [system.name for system in systems]
    if len(set(names)) != len(names):
        raise DataError(f"expected systems of different names, found {', '.join(sorted(names))}")
    if baseline not in names:
        raise DataError(f"expected the baseline among {', '.join(names)}, found {baseline!r}")
    ids = {utterance.id for utterance in utterances}
    if len(ids) != len(utterances):
        twice = min(key for key, n in Counter(utterance.id for utterance in utterances).items() if n > 1)
        raise DataError(f"expected every utterance once, found {twice!r} again; give each its own id")
    for system in systems:
        extra = (system.translations.keys() | system.transcripts.keys()) - ids
        if extra:
            raise DataError(
                f"expected system {system.name} to have outputs of this data set only, found {len(extra)} "
                f"more (first {min(extra)!r}); compare runs of the same data"
            )


def _complete(
    utterances: Sequence[Utterance], systems: Sequence[System], missing: str
) -> tuple[list[System], list[str]]:
    """Give all systems the same utterances in each kind of output; also gives notes on what was done."""
    notes: list[str] = []
    completed: list[dict[str, dict[str, str]]] = []
    spoken = [utterance for utterance in utterances if utterance.audio is not None]
    for kind, expected in {"translations": utterances, "transcripts": spoken}.items():
        outputs = {system.name: dict(getattr(system, kind)) for system in systems if getattr(system, kind)}
        union = {key for texts in outputs.values() for key in texts}
        common = {key for key in union if all(key in texts for texts in outputs.values())}
        if common != union and missing == "common":
            notes.append(f"{len(union - common)} of {len(union)} {kind} left out: not every system has them")
        if missing == "empty":
            common = union | {utterance.id for utterance in expected}  # also what none of them has
            filled = sum(len(common - texts.keys()) for texts in outputs.values())
            notes += [f"{filled} missing {kind} count as empty outputs"] if filled else []
            outputs = {name: dict.fromkeys(common, "") | texts for name, texts in outputs.items()}
        completed.append({name: {key: texts[key] for key in common} for name, texts in outputs.items()})
    translations, transcripts = completed
    return [
        replace(
            system,
            translations=translations.get(system.name, {}),
            transcripts=transcripts.get(system.name, {}),
        )
        for system in systems
    ], notes


def _statistics(
    outputs: Mapping[Scope, Segments | None],
    units: Mapping[Scope, ScoringUnits],
    metrics: Iterable[Metric],
    n_total: int,
) -> dict[str, CorpusStatistics]:
    """Metric name -> statistics, in the order of ``metrics``; those with nothing to score are left out."""
    tables = {}
    for metric in metrics:
        segments, of = outputs[scope_of(metric)], units[scope_of(metric)]
        table = None if segments is None else of.measure(metric, segments, n_total)
        if table is not None:
            tables[metric.name] = table
    return tables


def _share_recordings(tables: dict[str, dict[str, CorpusStatistics]]) -> None:
    """Keep of metrics of whole recordings those recordings that every system with the metric has."""
    for name in [name for name, metric in METRICS.items() if metric.of_recordings]:
        counted = [of_system[name] for of_system in tables.values() if name in of_system]
        common = [key for key in counted[0].ids if all(key in t.ids for t in counted)] if counted else []
        for of_system in tables.values():
            if name in of_system and common:
                of_system[name] = of_system[name].subset(common)
            else:
                of_system.pop(name, None)
