"""`antiphon inspect`: a run, one of its stages, or one utterance through all of them."""

from __future__ import annotations

from dataclasses import replace

from components.errors import ConfigError
from flows.printing import console, print_run
from reports import terminal
from tasks.store import Store
from tasks.views import view_of


def show(name: str, stage: str | None, utterance: str | None, store_url: str | None) -> None:
    """Print what was asked for on standard output.

    Raises:
        ConfigError: the run has no such stage with hypotheses.
        DataError: the run has no such utterance.
    """
    store = Store(store_url)
    run = store.load_run(name)
    view = view_of(run, store)
    if stage is not None and stage not in view.outcomes:
        known = ", ".join(view.outcomes) or "none"
        raise ConfigError(f"--stage: expected a stage with hypotheses, one of {known}; found {stage!r}")
    if utterance is not None:
        chosen = {stage: view.outcomes[stage]} if stage is not None else view.outcomes
        terminal.print_utterance(replace(view, outcomes=chosen), utterance, console())
    elif stage is not None:
        terminal.print_stage(view, stage, console())
    else:
        print_run(run, store)
