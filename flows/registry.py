"""The flows that can be run, as entry points: nothing of a flow is imported before it is used."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from components.errors import ConfigError

if TYPE_CHECKING:
    from flows.parameters import FlowParameters
    from flows.preflight import Need


class FlowEntry(NamedTuple):
    """A flow as entry points, each "module:name"."""

    summary: str
    flow: str
    parameters_model: str
    needs_of: str | None = None

    @property
    def call(self) -> Callable[..., Any]:
        """The flow itself; imports Prefect."""
        flow: Callable[..., Any] = _load(self.flow)
        return flow

    @property
    def parameters(self) -> type[FlowParameters]:
        """The model of its parameters."""
        model: type[FlowParameters] = _load(self.parameters_model)
        return model

    def needs(self, parameters: Any) -> Sequence[Need]:
        """What its stages need before anything is computed."""
        needs: Sequence[Need] = _load(self.needs_of)(parameters) if self.needs_of else ()
        return needs


FLOWS = {
    "cascade": FlowEntry(
        "speech -> transcript -> translation, scored and reported",
        "flows.cascade:cascade",
        "flows.cascade_parameters:CascadeParameters",
        None,
    ),
    "ensemble": FlowEntry(
        "many recognisers and translators as one, mixed token by token or by their outputs",
        "flows.ensemble:ensemble",
        "flows.ensemble_parameters:EnsembleParameters",
        "flows.ensemble:needs",
    ),
    "compare": FlowEntry(
        "several systems on one data set: who is better, by how much, at what cost",
        "flows.compare:compare",
        "flows.compare_parameters:CompareParameters",
        "flows.compare:needs",
    ),
    "blame": FlowEntry(
        "which stage of a finished run loses what, by putting its transcripts right",
        "flows.blame:blame",
        "flows.blame_parameters:BlameParameters",
    ),
    "contribution": FlowEntry(
        "what each member, source, round or expert of a finished run's system adds",
        "flows.contribution:contribution",
        "flows.contribution_parameters:ContributionParameters",
    ),
    "refine": FlowEntry(
        "a draft looked at again, round by round: self-refine, deliberation, edit diffusion",
        "flows.refine:refine",
        "flows.refine_parameters:RefineParameters",
        "flows.refine:needs",
    ),
    "stack": FlowEntry(
        "a second system over the cascade: late fusion, pre-translation, dual source",
        "flows.stack:stack",
        "flows.stack_parameters:StackParameters",
        "flows.stack:needs",
    ),
    "merge": FlowEntry(
        "models merged by mergekit's recipe, kept if they are not worse than a baseline",
        "flows.merge:merge",
        "flows.merge_parameters:MergeParameters",
    ),
    "experts": FlowEntry(
        "train a translation model with experts for several languages, watch its routers",
        "flows.experts:experts",
        "flows.experts_parameters:ExpertsParameters",
    ),
    "train": FlowEntry(
        "train a translation model and keep the best checkpoint in the store",
        "flows.train:train",
        "flows.train_parameters:TrainParameters",
    ),
    "distill": FlowEntry(
        "distil an ensemble or a whole pipeline into one small student",
        "flows.distill:distill",
        "flows.distill_parameters:DistillParameters",
    ),
}


def flow_named(name: str) -> FlowEntry:
    """The flow called ``name``; imports nothing.

    Raises:
        ConfigError: there is no such flow; which was probably meant.
    """
    if name not in FLOWS:
        close = difflib.get_close_matches(name, FLOWS, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise ConfigError(f"expected a flow, one of {', '.join(FLOWS)}, found {name!r}{hint}")
    return FLOWS[name]


def _load(entry_point: str) -> Any:
    module, _, name = entry_point.partition(":")
    return getattr(import_module(module), name)
