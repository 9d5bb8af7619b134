"""The ``blame`` stage: the transcript put right, wholly and in parts, and everything below it run again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, combinations

from prefect import get_run_logger, task
from prefect.client.schemas.objects import State

from components import metrics
from components.errors import DataError
from components.files import write_bytes, write_json
from components.metrics.blaming import NOTHING, SEGMENTATION, Case, blame_cases
from components.metrics.normalising import without_spaces
from components.metrics.repairing import FORM, KINDS, WORDS, repair
from components.profiling import measure_cost
from components.records import Hypothesis, NBest, StageRef
from components.storage.reader import best_texts, hypotheses, utterances
from components.storage.stage_plan import StagePlan, content_of, library_versions, read_by
from components.storage.stage_writer import opened
from components.storage.store import Store
from reports import blaming
from reports.results import BLAME, VALUES, read_blame
from tasks.artifacts import publish_table
from tasks.metrics import LIBRARIES
from tasks.options import NOT_STORED, shown, value_of

PARTS = {"words": WORDS, "form": (FORM,)}
"""Parts of a transcript that are put right on their own and together."""
_PARTLY = (((), ()), *(((part,), kinds) for part, kinds in PARTS.items()))
"""Parts put right beside a gold segmentation; with all of them the segmentation makes no difference."""


def variants() -> dict[str, tuple[str, ...]]:
    """Name of a repaired transcript -> the kinds of error that it is free of."""
    sets = chain.from_iterable(combinations(PARTS, size) for size in range(1, len(PARTS) + 1))
    found = {"+".join(parts): tuple(kind for part in parts for kind in PARTS[part]) for parts in sets}
    return found | {kind.replace(" ", "-"): (kind,) for kind in KINDS if (kind,) not in found.values()}


def check(data: StageRef) -> None:
    """Before any long work: whether there will be anything to blame.

    Raises:
        DataError: nothing is spoken with both a reference transcript and a reference translation.
    """
    if not any(one.audio and one.transcript and any(one.references) for one in utterances(data)):
        raise DataError(NOTHING)


@task(name="repair transcript", **NOT_STORED)
def repaired(
    data: StageRef,
    asr: StageRef,
    name: str,
    kinds: Sequence[str],
    store_url: str | None,
    cut: StageRef | None = None,
) -> StageRef | State[StageRef]:
    """The transcripts that change when errors of ``kinds`` are put right, and only those.

    ``cut`` are the transcripts of gold segments, which then take the place of ``asr``'s.
    """
    plan = StagePlan(
        stage=f"asr-{name}".replace("+", "-and-"),
        version="repair/1",
        parameters={"kinds": list(kinds)},
        upstream=read_by(data, asr, *([cut] if cut else [])),
    )
    with opened(Store(store_url), plan) as writer:
        if writer.ref is None:
            with measure_cost() as cost:
                changed = list(_changed(data, asr, kinds, best_texts(cut) if cut else {}))
            lines = [one.model_dump_json(exclude_defaults=True) for one in changed]
            if writer.shards_done == 0:
                writer.append(lines, [], seconds=cost.seconds, peak=cost.peak_memory_bytes)
            writer.finish(one.utterance_id for one in changed)
        assert writer.ref is not None
        return shown(writer.ref)


def _changed(data: StageRef, asr: StageRef, kinds: Sequence[str], cut: Mapping[str, str]) -> Iterator[NBest]:
    known = {one.id: one for one in utterances(data)}
    for nbest in hypotheses(asr):
        spoken = known[nbest.utterance_id]
        if spoken.transcript is None:
            continue
        heard = cut.get(spoken.id, nbest.best.text)
        text = repair(heard, spoken.transcript, kinds, spoken.source_language)
        if text != " ".join(nbest.best.text.split()):
            best = nbest.best.model_copy(update={"text": text, "tokens": (), "segments": ()})
            yield nbest.model_copy(update={"hypotheses": (best,)})


def run(
    data: StageRef,
    asr: StageRef,
    last: StageRef,
    below: Callable[[StageRef], StageRef],
    store_url: str | None,
    cut: StageRef | None = None,
) -> StageRef:
    """Blame a system: repair its transcripts, run ``below`` (transcripts -> output) on each, account.

    Args:
        last: the output as it is, of the stage that is scored.
        cut: transcripts of the same recordings by their gold segments, to blame the segmentation too.
    """
    wanted: list[tuple[str, tuple[str, ...], StageRef | None]] = [
        (name, kinds, None) for name, kinds in variants().items()
    ]
    if cut is not None:
        some = {"+".join((SEGMENTATION, *parts)): kinds for parts, kinds in _PARTLY}
        wanted += [(name, kinds, cut) for name, kinds in some.items()]
    outputs: dict[str, StageRef] = {}
    for name, kinds, source in wanted:
        transcript = value_of(repaired(data, asr, name, kinds, store_url, source))
        if transcript.items:
            outputs[name] = below(transcript)
    everything = "+".join(PARTS)
    if cut is not None and everything in outputs:  # what was said is the same whoever cut the recording
        outputs[f"{SEGMENTATION}+{everything}"] = outputs[everything]
    found: StageRef = value_of(account(data, asr, last, outputs, store_url, cut))
    return found


@task(name="blame", **NOT_STORED)
def account(
    data: StageRef,
    asr: StageRef,
    last: StageRef,
    outputs: Mapping[str, StageRef],
    store_url: str | None,
    cut: StageRef | None = None,
) -> StageRef | State[StageRef]:
    """Where the quality is lost, from the outputs of each repaired transcript."""
    plan = StagePlan(
        stage="blame",
        kind="blame",
        version=f"blame/1 metrics/{metrics.version}",
        parameters={
            "variants": {name: list(kinds) for name, kinds in variants().items()},
            "last": last.stage,
        },
        upstream=read_by(data, asr, last, *([cut] if cut else []))
        | {name: content_of(ref) for name, ref in outputs.items()},
        libraries=library_versions(LIBRARIES),
    )
    with opened(Store(store_url), plan, records=False) as writer:
        ref = writer.ref
        if ref is None:
            with measure_cost() as cost:
                report, values = blame_cases(
                    _cases(data, asr, last),
                    {name: best_texts(out) for name, out in outputs.items()},
                    (SEGMENTATION, *PARTS) if cut else tuple(PARTS),
                    last.stage,
                    data.items,
                )
            write_json(writer.path / BLAME, report.model_dump(mode="json"))
            lines = [json.dumps({"id": key, **found}) for key, found in values.items()]
            write_bytes(writer.path / VALUES, "".join(line + "\n" for line in lines).encode())
            writer.seconds, writer.peak_memory_bytes = cost.seconds, cost.peak_memory_bytes
            ref = writer.seal([BLAME, VALUES], items=data.items)
    report = read_blame(ref)
    for one in report.blames:
        get_run_logger().info("blame: %s", blaming.sentence(one))
    publish_table(blaming.rows(report), "blame", "what each stage costs, and which errors of the transcript")
    return shown(ref)


@task(name="join segments", **NOT_STORED)
def joined(
    data: StageRef, asr: StageRef, pieces: StageRef, heard: StageRef, store_url: str | None
) -> StageRef | State[StageRef]:
    """The transcripts of ``asr``'s recordings, each made of what was heard in its gold segments, in order.

    ``pieces`` are the segments (offset and seconds of the same files), ``heard`` their transcripts. A
    recording without segments keeps the transcript that it has.
    """
    plan = StagePlan(
        stage="asr-gold-segments",
        version="segments/1",
        parameters={},
        upstream=read_by(data, asr) | {"pieces": content_of(pieces), "heard": content_of(heard)},
    )
    with opened(Store(store_url), plan) as writer:
        if writer.ref is None:
            with measure_cost() as cost:
                found = list(_joined(data, asr, pieces, best_texts(heard)))
            lines = [one.model_dump_json(exclude_defaults=True) for one in found]
            if writer.shards_done == 0:
                writer.append(lines, [], seconds=cost.seconds, peak=cost.peak_memory_bytes)
            writer.finish(one.utterance_id for one in found)
        assert writer.ref is not None
        return shown(writer.ref)


def _joined(data: StageRef, asr: StageRef, pieces: StageRef, heard: Mapping[str, str]) -> Iterator[NBest]:
    segments = [(one.audio, heard[one.id]) for one in utterances(pieces) if one.audio and one.id in heard]
    segments.sort(key=lambda segment: segment[0].offset)
    known = {one.id: one for one in utterances(data)}
    matched = 0
    for nbest in hypotheses(asr):
        whole = known[nbest.utterance_id]
        assert whole.audio is not None
        start, end = whole.audio.offset, whole.audio.offset + whole.audio.seconds
        texts = [
            text
            for audio, text in segments
            if audio.sha256 == whole.audio.sha256 and start <= audio.offset < end
        ]
        matched += bool(texts)
        between = "" if without_spaces(whole.source_language) else " "
        best = Hypothesis(text=between.join(texts), score=0.0, n_tokens=len(texts), system="gold segments")
        yield nbest.model_copy(update={"hypotheses": (best,)}) if texts else nbest
    if not matched:
        raise DataError("segments: expected stretches of the data's recordings, found none of the same file")


def _cases(data: StageRef, asr: StageRef, last: StageRef) -> list[Case]:
    heard, said = best_texts(asr), best_texts(last)
    return [
        Case(one, heard[one.id], said[one.id])
        for one in utterances(data)
        if one.id in heard and one.id in said
    ]
