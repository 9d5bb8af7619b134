"""The analysis ``probe``: how often a recognizer writes words that are not in the sound, beside guesses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from typing_extensions import override

from components.analysis.analysis import Analysis, Computed
from components.analysis.formatting import format_p_value
from components.analysis.run_outputs import output_of
from components.analysis.table import Cell, Sentence, Table, link_to_utterance
from components.errors import DataError
from components.files.canonical_json import digest_of
from components.models.weight_digests import resolve_weight_digests
from components.monitoring.probing.guessing import guess_words
from components.monitoring.probing.probes import Probe, Target, count_written
from components.monitoring.probing.verdict import KindVerdict, ProbeRow, judge
from components.records import Record
from components.run_record import RunRecord
from components.storage.stages.reader import read_best_texts
from components.storage.stages.stage_plan import StagePlan, content_of, library_versions
from components.storage.store import Store
from components.text.escaping import to_printable

VERSION = "probe/2"
LEVEL = 0.05
LABELS = {
    "silence": "words silenced",
    "cue": "opening of another recording",
    "number": "another number spoken",
}


class ProbeRequest(NamedTuple):
    """What was recognized of changed recordings.

    Attributes:
        run: over them.
        probes: what was taken from each.
        transcripts: utterance id -> what was said before the change.
        language_model: that guesses.
    """

    run: RunRecord
    probes: Sequence[Probe]
    transcripts: Mapping[str, str]
    language_model: str


class ProbeFindings(Record):
    """What was written, word by word, and what that says."""

    verdicts: tuple[KindVerdict, ...]
    rows: tuple[ProbeRow, ...]
    language_model: str


class ProbeAnalysis(Analysis[ProbeRequest, ProbeFindings]):
    """Whether a recognizer hears its words or remembers them."""

    kind, file, record = "probe", "probe.json", ProbeFindings
    noun, remedy = "what was found by probing", "probe again"

    @override
    def plan(self, request: ProbeRequest, store: Store) -> StagePlan:
        ref = output_of(request.run, "transcript")
        if ref is None:
            raise DataError(f"run {request.run.name}: expected transcripts of changed recordings, found none")
        models = {"language_model": request.language_model}
        return StagePlan(
            stage=self.kind,
            kind=self.kind,
            version=VERSION,
            upstream={"transcript": content_of(ref)},
            inputs={
                "probes": digest_of(
                    [[*each[:3], *map(Target.model_dump, each[3])] for each in request.probes]
                )
            },
            weights=resolve_weight_digests(models, store.backend.url),
            libraries=library_versions(("torch", "transformers")),
            models=models,
        )

    @override
    def compute(self, request: ProbeRequest, store: Store, folder: Path) -> Computed[ProbeFindings]:
        from components.models.loaders.language_model import load_language_model  # noqa: PLC0415 - imports torch

        ref = output_of(request.run, "transcript")
        assert ref is not None
        texts = read_best_texts(ref)
        heard = [probe for probe in request.probes if probe.id in texts]
        targets = [(probe.utterance_id, target) for probe in heard for target in probe.targets]
        model = load_language_model(request.language_model, store.backend.url)
        guesses = iter(guess_words(model, request.transcripts, targets))
        rows = []
        for probe in heard:
            found = count_written(request.transcripts[probe.utterance_id], texts[probe.id], probe.targets)
            rows += [
                ProbeRow(
                    kind=probe.kind,
                    probe=probe.id,
                    utterance=probe.utterance_id,
                    word=target.word,
                    written=found[target.position],
                    guess=next(guesses),
                    text=texts[probe.id],
                )
                for target in probe.targets
            ]
        rows.sort(key=lambda row: list(LABELS).index(row.kind))
        verdicts = tuple(judge(kind, list(own)) for kind, own in groupby(rows, key=lambda row: row.kind))
        findings = ProbeFindings(verdicts=verdicts, rows=tuple(rows), language_model=request.language_model)
        return Computed(findings, len(rows))

    @override
    def tables(self, findings: ProbeFindings) -> list[Table]:
        note = (
            f"Guessed: mean probability that {findings.language_model} gives the word in its place, among 40 "
            "words of these data and the 100 that it finds likeliest there. p: that so many are written by "
            "guessing alone, one test for each row."
        )
        shown = [row for row in findings.rows if row.written]
        shown.sort(key=lambda row: row.guess)
        written: tuple[Mapping[str, Cell], ...] = tuple(
            {
                "recording": link_to_utterance(row.probe),
                "word": to_printable(row.word),
                "guess": f"{row.guess:.3f}",
                "written": to_printable(row.text),
            }
            for row in shown[:20]
        )
        return [
            Table("Memorized or heard", note, tuple(map(_row, findings.verdicts))),
            Table("Written though not in the sound", "The least guessable first.", written),
        ]

    @override
    def verdict(self, findings: ProbeFindings) -> list[Sentence]:
        return [Sentence(f"{describe(each)}.") for each in findings.verdicts]


PROBE = ProbeAnalysis()


def describe(verdict: KindVerdict) -> str:
    """Say ``Words silenced: 71% of 100 words are written, a language model guesses 24% (p <0.001): ...``."""
    label = LABELS[verdict.kind]
    p = format_p_value(verdict.p)
    more = "more than guessing: it seems to know these recordings"
    means = more if verdict.p < LEVEL else "no more than guessing"
    return (
        f"{label[0].upper()}{label[1:]}: {verdict.written:.0f}% of {verdict.n} words in {verdict.recordings} "
        f"recordings are written all the same, a language model guesses {verdict.guessed:.0f}% (p {p}): "
        f"{means}"
    )


def _row(verdict: KindVerdict) -> dict[str, str]:
    return {
        "change": LABELS[verdict.kind],
        "words": f"{verdict.n:,}",
        "recordings": f"{verdict.recordings:,}",
        "written": f"{verdict.written:.1f}%",
        "guessed": f"{verdict.guessed:.1f}%",
        "p": format_p_value(verdict.p),
    }
