"""The analysis ``blame``: error attribution from the outputs on corrected texts, computed and told."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from typing_extensions import override

from components import metrics
from components.analysis.analysis import VALUES, Analysis, Computed, Numbers, read_numbers
from components.analysis.formatting import describe_too_few, format_estimate
from components.analysis.table import Column, Sentence, Table
from components.attribution.attribution import Attribution, StageAttribution
from components.attribution.cascade_attribution import (
    NOTHING_TO_ATTRIBUTE,
    AttributionCase,
    AttributionReport,
    attribute_cascade,
)
from components.errors import DataError
from components.files.files import write_bytes
from components.metrics.libraries import scoring_libraries
from components.metrics.statistics.bootstrap import MIN_UTTERANCES
from components.metrics.table import label_of
from components.run_record import StageRef
from components.storage.stages.reader import read_best_texts, read_utterances
from components.storage.stages.stage_plan import StagePlan, content_of
from components.storage.store import Store
from components.text.counted_nouns import format_count


def check_references(data: StageRef) -> None:
    """Check before any long work on speech that there is something to attribute.

    Raises:
        DataError: no spoken utterance has both a reference transcript and a reference translation.
    """
    if not any(
        utterance.audio and utterance.transcript and any(utterance.references)
        for utterance in read_utterances(data)
    ):
        raise DataError(NOTHING_TO_ATTRIBUTE)


class SubstitutedOutput(NamedTuple):
    """The output on gold texts, and the texts that changed, where only these went on."""

    texts: StageRef
    changed: StageRef | None = None

    def by_id(self) -> dict[str, str]:
        """Return the texts of the utterances that changed, by id."""
        texts = read_best_texts(self.texts)
        changed = texts if self.changed is None else read_best_texts(self.changed)
        return {key: texts[key] for key in changed if key in texts}


class AttributedStages(NamedTuple):
    """The stages that errors are attributed to with their parts, the last one's name, and how they count."""

    stages: dict[str, tuple[str, ...]]
    last: str
    human_scores: dict[str, float]
    normalizer: str


class BlameRequest(NamedTuple):
    """What errors are attributed from.

    Attributes:
        data: the data set.
        transcripts: stages of the transcripts that are corrected.
        last: the output as it is.
        outputs: name of a set of gold texts -> the output on it.
        attributed: the stages that errors are attributed to.
    """

    data: StageRef
    transcripts: Sequence[StageRef]
    last: StageRef
    outputs: Mapping[str, SubstitutedOutput]
    attributed: AttributedStages


class Blame(Analysis[BlameRequest, AttributionReport]):
    """Which stage of a run loses what."""

    kind, file, record = "blame", "blame.json", AttributionReport
    noun, remedy = "an error attribution", "blame the run again"

    @override
    def plan(self, request: BlameRequest, store: Store) -> StagePlan:
        refs = {
            f"{name} {role}": ref
            for name, output in request.outputs.items()
            for role, ref in output._asdict().items()
            if ref
        }
        transcripts = {f"transcripts {n}": content_of(ref) for n, ref in enumerate(request.transcripts)}
        return StagePlan(
            stage="blame",
            kind="blame",
            version=f"blame/5 metrics/{metrics.version}",
            parameters=request.attributed._asdict(),
            upstream={"data": content_of(request.data), "last": content_of(request.last)}
            | transcripts
            | {name: content_of(ref) for name, ref in refs.items()},
            libraries=scoring_libraries(request.attributed.normalizer),
        )

    @override
    def compute(self, request: BlameRequest, store: Store, folder: Path) -> Computed[AttributionReport]:
        attributed = request.attributed
        report, values = attribute_cascade(
            _read_cases(request.data, request.transcripts, request.last),
            {name: output.by_id() for name, output in request.outputs.items()},
            attributed.stages,
            attributed.last,
            request.data.items,
            human_scores=attributed.human_scores,
            normalizer=attributed.normalizer,
        )
        lines = [json.dumps({"id": key, **numbers}) for key, numbers in values.items()]
        write_bytes(folder / VALUES, "".join(line + "\n" for line in lines).encode())
        return Computed(report, request.data.items, [VALUES])

    @override
    def verdict(self, findings: AttributionReport) -> list[Sentence]:
        return [Sentence(f"{summarize(attribution)}.") for attribution in findings.blames]

    @override
    def tables(self, findings: AttributionReport) -> list[Table]:
        first = findings.blames[0]
        notes = [f"Over {first.n:,} of {first.n_total:,} utterances."]
        both = findings.wer_and_loss
        if both.pearson and both.spearman:
            pearson, spearman = (format_estimate(n, sign=False) for n in (both.pearson, both.spearman))
            notes.append(
                f"WER and the chrF that is lost to it go together by {pearson} (Pearson), {spearman} "
                "(Spearman)."
            )
        if len(findings.kinds) > 1 and first.n >= MIN_UTTERANCES:
            notes.append(
                f"The intervals of the {len(findings.kinds)} kinds of errors are not corrected for "
                "their number."
            )
        signatures = dict.fromkeys(attribution.signature for attribution in findings.blames)
        return [Table("Blame", " ".join(notes), tuple(build_rows(findings)), protocol="; ".join(signatures))]

    @override
    def numbers(self, ref: StageRef, findings: AttributionReport) -> Numbers:
        return Numbers(_COLUMNS, read_numbers(ref))


BLAME = Blame()
_COLUMNS = (
    Column("gap asr", "lost to the transcript (blame), most first"),
    Column("remainder", "lost after a gold transcript, most first"),
)


def _read_cases(data: StageRef, transcripts: Sequence[StageRef], last: StageRef) -> list[AttributionCase]:
    """Return the utterances that have an output, with their transcripts where these are corrected."""
    spoken = {key: text for ref in reversed(transcripts) for key, text in read_best_texts(ref).items()}
    texts = read_best_texts(last)
    return [
        AttributionCase(utterance, spoken.get(utterance.id, ""), texts[utterance.id])
        for utterance in read_utterances(data)
        if utterance.id in texts and (utterance.id in spoken or not transcripts)
    ]


def summarize(attribution: Attribution) -> str:
    """Return the attribution by one metric in a line."""
    gold = f", with gold transcripts {attribution.all_gold.value:.1f}" if attribution.parts else ""
    stages = "; ".join([*_describe_stages(attribution), _describe_culprit(attribution)])
    return f"{label_of(attribution.metric)} {attribution.score.value:.1f}{gold}: {stages}"


def _describe_stages(attribution: Attribution) -> Iterator[str]:
    """Yield what each stage costs or, where a human's score is known, passes on."""
    for stage in attribution.stages:
        if attribution.is_human and stage.retention is not None:
            yield f"{stage.stage} {_agree('passes', stage)} on {stage.retention.value:.0f}%"
        elif stage.retention is not None or stage != attribution.last_lossy:
            yield f"{stage.stage} {_agree('costs', stage)} {format_estimate(stage.gap, sign=False, digits=1)}"


def _describe_culprit(attribution: Attribution) -> str:
    if attribution.n < MIN_UTTERANCES:
        return describe_too_few(attribution.n)
    if not attribution.is_human:
        last = attribution.last_lossy
        lack = f"{last.stage} {_agree('lacks', last)} {last.gap.value:.1f} to {attribution.ceiling:.0f}"
        fault = f"which is not all {_agree('its', last)} fault: human translators do not reach it either"
        return f"{lack}, {fault}"
    if attribution.culprit is None:
        return "nothing is lost"
    return f"of a human's {attribution.ceiling:.1f} most is lost in {attribution.culprit}"


def _agree(word: str, stage: StageAttribution) -> str:
    """Return a word as it stands beside one stage, or beside several that are attributed together."""
    plurals = {"passes": "pass", "costs": "cost", "lacks": "lack", "its": "their"}
    return plurals[word] if " and " in stage.stage else word


def build_rows(report: AttributionReport) -> Iterator[dict[str, str]]:
    """Yield what each stage, part of a transcript and kind of error costs, in points of the metric."""
    for attribution in report.blames:
        name = label_of(attribution.metric)
        for stage in attribution.stages:
            cells = {"metric": name, "what": stage.stage, "costs": format_estimate(stage.gap)}
            if stage.retention is not None:
                cells["passes on %"] = format_estimate(stage.retention, sign=False)
            if attribution.is_human and attribution.n >= MIN_UTTERANCES:
                cells["most"] = "yes" if stage.stage == attribution.culprit else ""
            yield cells
        for part in attribution.parts:
            cells = {"metric": name, "what": f"transcript: {part.part}", "costs": format_estimate(part.gap)}
            yield cells | {"Shapley": format_estimate(part.shapley)}
    for kind in report.kinds:
        what = f"{kind.errors} {kind.kind} in {format_count(kind.utterances, 'utterance')}"
        yield {
            "metric": label_of(report.blames[0].metric),
            "what": what,
            "costs": format_estimate(kind.gain),
            "per 100 errors": f"{kind.per_hundred:+z.2f}",
        }
