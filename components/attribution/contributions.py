"""The analysis ``contribution``: what each part of a system adds, from its outputs with fewer parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from typing_extensions import override

from components import metrics
from components.analysis.analysis import Analysis, Computed
from components.analysis.formatting import describe_too_few, format_estimate
from components.analysis.table import Sentence, Table
from components.attribution.ablation import Ablation
from components.attribution.contribution import (
    Contribution,
    Share,
    measure_contribution,
    statistics_of_outputs,
)
from components.metrics.languages import transcript_metric
from components.metrics.libraries import scoring_libraries
from components.metrics.normalizers import BY_LANGUAGE
from components.metrics.scoring_units import ScoringUnits
from components.metrics.statistics.bootstrap import MIN_UTTERANCES, Estimate
from components.metrics.statistics.shapley import Coalition
from components.metrics.table import label_of
from components.records import Record
from components.run_record import StageRef
from components.storage.stages.model_labels import label_models
from components.storage.stages.reader import read_best_texts, read_utterances
from components.storage.stages.stage_plan import StagePlan, content_of, upstream_of
from components.storage.store import Store
from components.text.languages import UNDETERMINED


class Contributions(Record):
    """The contributions of one or more systems."""

    systems: tuple[Contribution, ...]


@dataclass(frozen=True)
class AblatedOutputs:
    """The parts of one system, and the output with each set of them."""

    system: Ablation
    outputs: Mapping[Coalition, StageRef]


class Scoring(NamedTuple):
    """How outputs are scored: by a metric of translations, transcripts by WER under a normalizer."""

    metric: str
    normalizer: str = BY_LANGUAGE


class ContributionRequest(NamedTuple):
    """What contributions are measured from.

    Attributes:
        systems: with their outputs.
        data: the data set.
        scoring: of the outputs.
        target: the target language of the run.
    """

    systems: Sequence[AblatedOutputs]
    data: StageRef
    scoring: Scoring
    target: str | None


class ContributionAnalysis(Analysis[ContributionRequest, Contributions]):
    """What each part of a system adds, in points of the metric (of WER for transcripts)."""

    kind, file, record = "contribution", "contributions.json", Contributions
    noun, remedy = "a contribution", "measure the contributions again"

    @override
    def plan(self, request: ContributionRequest, store: Store) -> StagePlan:
        systems, scoring = request.systems, request.scoring
        sets = [(n, subset, ref) for n, each in enumerate(systems) for subset, ref in each.outputs.items()]
        return StagePlan(
            stage=self.kind,
            kind=self.kind,
            version=f"contribution/4 metrics/{metrics.version}",
            parameters={
                "metric": scoring.metric,
                "target_language": request.target,
                **({} if scoring.normalizer == BY_LANGUAGE else {"normalizer": scoring.normalizer}),
                "parts": [[each.system.title, *each.system.parts] for each in systems],
                "sets": [[n, *sorted(subset)] for n, subset, _ in sets],
            },
            upstream=upstream_of(request.data)
            | {f"set {i}": content_of(ref) for i, (*_, ref) in enumerate(sets)},
            libraries=scoring_libraries(scoring.normalizer),
        )

    @override
    def compute(self, request: ContributionRequest, store: Store, folder: Path) -> Computed[Contributions]:
        measured = (
            _name_models(
                _score_system(system, request.data, request.scoring, request.target),
                system.system.models,
                store.backend.url,
            )
            for system in request.systems
        )
        return Computed(Contributions(systems=tuple(measured)), request.data.items)

    @override
    def verdict(self, findings: Contributions) -> list[Sentence]:
        named = ((each.title, describe_parts(each)) for each in findings.systems)
        return [Sentence(f"{title}: {parts}.") for title, parts in named if parts]

    @override
    def tables(self, findings: Contributions) -> list[Table]:
        return [
            Table(
                f"Contribution: {contribution.title}",
                f"{summarize(contribution)}. {contribution.signature}",
                tuple(build_rows(contribution)),
            )
            for contribution in findings.systems
        ]


CONTRIBUTION = ContributionAnalysis()


def has_references(system: Ablation, data: StageRef, target: str | None) -> bool:
    """Return whether any output of a system can be scored."""
    return any(map(any, _units_of(system, data, target).references.values()))


def _units_of(system: Ablation, data: StageRef, target: str | None) -> ScoringUnits:
    utterances = list(read_utterances(data))
    languages = {
        u.id: u.source_language if system.transcripts else target or u.target_language or UNDETERMINED
        for u in utterances
    }
    return ScoringUnits(utterances, "transcript" if system.transcripts else "translation", languages)


def _score_system(
    parts: AblatedOutputs, data: StageRef, scoring: Scoring, target: str | None
) -> Contribution:
    system = parts.system
    units = _units_of(system, data, target)
    values = statistics_of_outputs(
        {subset: units.split(read_best_texts(ref)) for subset, ref in parts.outputs.items()},
        {key: texts for key, texts in units.references.items() if any(texts)},
        transcript_metric(units.languages.values()) if system.transcripts else scoring.metric,
        language=units.languages,
        n_total=units.count(data.items),
        normalizer=scoring.normalizer,
    )
    signed = {key: replace(table, signature=units.sign(table.signature)) for key, table in values.items()}
    return measure_contribution(system.title, system.parts, signed, empty=system.empty)


def _name_models(contribution: Contribution, models: Mapping[str, str], store: str | None) -> Contribution:
    """Return the contribution with the models of its parts, those of the store under names for people."""
    shares = (
        share.model_copy(
            update={
                "part": label_models(share.part, store),
                "model": label_models(models.get(share.part, ""), store),
            }
        )
        for share in contribution.shares
    )
    return contribution.model_copy(update={"shares": tuple(shares)})


def build_rows(contribution: Contribution) -> Iterator[dict[str, str]]:
    """Yield a row per part: its model, its score alone, what is lost without it, its share."""
    digits = _digits(contribution)
    for share in contribution.shares:
        cells = {
            "part": share.part,
            "model": share.model,
            "alone": "" if share.alone is None else format_estimate(share.alone, sign=False, digits=digits),
            "lost without it": "" if share.lost is None else format_estimate(share.lost, digits=digits),
            "share": "" if share.share is None else format_estimate(share.share, digits=digits),
        }
        yield {"part": cells.pop("part")} | {name: text for name, text in cells.items() if text}


def _digits(contribution: Contribution) -> int:
    return 4 if contribution.metric == "log-likelihood" else 2


def summarize(contribution: Contribution) -> str:
    """Return the system's score with all parts and with none, in a line."""
    name = label_of(contribution.metric)
    return (
        f"{contribution.title}: {name} {contribution.score.value:.2f} with all, "
        f"{contribution.nobody:.2f} with none ({contribution.empty}); {contribution.n} of "
        f"{contribution.n_total} utterances"
    )


def describe_parts(contribution: Contribution) -> str:
    """Describe what is lost without each part, the most first; of rounds what each one adds."""
    if contribution.n < MIN_UTTERANCES:
        return describe_too_few(contribution.n)
    shares = sorted(
        (share for share in contribution.shares if share.lost or share.share),
        key=lambda share: -_points_of(share).value,
    )
    return "; ".join(_describe_part(share, _digits(contribution)) for share in shares)


def _points_of(share: Share) -> Estimate:
    """Return what is lost without a part or, where that is not known, what it adds to those before it."""
    points = share.lost or share.share
    return Estimate(value=0.0, interval=None) if points is None else points


def _describe_part(share: Share, digits: int) -> str:
    points = _points_of(share)
    low, high = points.interval or (points.value, points.value)
    if low == high == 0:
        return f"without {share.part} nothing changes" if share.lost else f"{share.part} adds nothing"
    doubt = ", not told from nothing" if low <= 0 <= high else ""
    if not share.lost:
        return f"{share.part} adds {format_estimate(points, digits=digits)}{doubt}"
    if points.value < 0:
        points = Estimate(value=-points.value, interval=(-high, -low) if points.interval else None)
        return f"without {share.part} {format_estimate(points, digits=digits)} is gained{doubt}"
    return f"without {share.part} {format_estimate(points, digits=digits)} is lost{doubt}"
