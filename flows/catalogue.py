"""The flows that can be run, with the parameters that each takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from components.errors import ConfigError
from flows.parameters import FlowParameters

FLOWS = {
    "cascade": "speech -> transcript -> translation, scored and reported",
    "ensemble": "many recognisers and translators as one, mixed token by token or by their outputs",
    "compare": "several systems on one data set: who is better, by how much, at what cost",
    "blame": "which stage of a finished run loses what, by putting its transcripts right",
    "contribution": "what each member, source, round or expert of a finished run's system adds",
    "refine": "a draft looked at again, round by round: self-refine, deliberation, edit diffusion",
    "stack": "a second system over the cascade: late fusion, pre-translation, dual source",
    "merge": "models merged by mergekit's recipe, kept if they are not worse than a baseline",
    "experts": "train a translation model with experts for several languages, watch its routers",
    "train": "train a translation model and keep the best checkpoint in the store",
    "distill": "distil an ensemble or a whole pipeline into one small student",
}


class Entry(NamedTuple):
    """A flow and the model of its parameters."""

    call: Callable[..., Any]
    parameters: type[FlowParameters]


def flow_named(name: str) -> Entry:  # noqa: PLR0911 - a return per flow
    """The flow called ``name``; imports it, and with it torch and Prefect.

    Raises:
        ConfigError: there is no such flow.
    """
    if name == "cascade":
        from flows.cascade import CascadeParameters, cascade

        return Entry(cascade, CascadeParameters)
    if name == "blame":
        from flows.blame import BlameParameters, blame

        return Entry(blame, BlameParameters)
    if name == "contribution":
        from flows.contribution import ContributionParameters, contribution

        return Entry(contribution, ContributionParameters)
    if name == "refine":
        from flows.refine import RefineParameters, refine

        return Entry(refine, RefineParameters)
    if name == "ensemble":
        from flows.ensemble import ensemble
        from flows.ensemble_parameters import EnsembleParameters

        return Entry(ensemble, EnsembleParameters)
    if name == "compare":
        from flows.compare import CompareParameters, compare

        return Entry(compare, CompareParameters)
    if name == "stack":
        from flows.stack import StackParameters, stack

        return Entry(stack, StackParameters)
    if name == "merge":
        from flows.merge import MergeParameters, merge

        return Entry(merge, MergeParameters)
    if name == "experts":
        from flows.experts import ExpertsParameters, experts

        return Entry(experts, ExpertsParameters)
    if name == "train":
        from flows.train import TrainParameters, train

        return Entry(train, TrainParameters)
    if name == "distill":
        from flows.distill import DistillParameters, distill

        return Entry(distill, DistillParameters)
    raise ConfigError(f"expected a flow, one of {', '.join(FLOWS)}, found {name!r}")
