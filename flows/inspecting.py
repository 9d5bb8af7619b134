"""`antiphon inspect`: a run, one of its stages, or one utterance through all of them."""

from __future__ import annotations

import typer

from components.errors import ConfigError
from components.records import RunRecord, StageRef
from flows.printing import outcome_lines, print_run
from tasks.reading import StoredOutcomes, utterances
from tasks.report import DECODED
from tasks.store import Store


def show(name: str, stage: str | None, utterance: str | None, store_url: str | None) -> None:
    """Print what was asked for on standard output.

    Raises:
        ConfigError: the run has no such stage or utterance.
    """
    store = Store(store_url)
    run = store.load_run(name)
    if stage is None and utterance is None:
        print_run(run, store.run_folder(name))
        return
    stages = {ref.stage: ref for ref in run.stages}
    chosen = [ref for ref in run.stages if ref.stage in ({stage} if stage else set(DECODED))]
    if stage is not None and (not chosen or stage not in DECODED):
        known = ", ".join(name for name in stages if name in DECODED) or "none"
        raise ConfigError(f"--stage: expected a stage with hypotheses, one of {known}; found {stage!r}")
    if utterance is not None:
        _utterance(run, stages["data"], chosen, utterance)
        return
    for ref in chosen:
        for key, outcome in StoredOutcomes(ref).items():
            typer.echo("\n".join([f"[{key}]", *outcome_lines(ref.stage, outcome)]))


def _utterance(run: RunRecord, data: StageRef, chosen: list[StageRef], wanted: str) -> None:
    found = next((item for item in utterances(data) if item.id == wanted), None)
    outcomes = [(ref.stage, stored[wanted]) for ref in chosen if wanted in (stored := StoredOutcomes(ref))]
    if found is None and not outcomes:
        raise ConfigError(f"--utterance: no {wanted!r} in run {run.name}")
    lines = [f"[{wanted}]"]
    if found is not None:
        known = {"text": found.text, "transcript": found.transcript}
        known |= {f"reference {number}": text for number, text in enumerate(found.references, start=1)}
        lines += [f"{name}: {text}" for name, text in known.items() if text]
    for stage, outcome in outcomes:
        lines += outcome_lines(stage, outcome)
    typer.echo("\n".join(lines))
