"""The flows that can be run, with the parameters that each takes."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from components.errors import ConfigError
from flows.parameters import FlowParameters

if TYPE_CHECKING:
    from flows.preflight import Need

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
    """A flow, the model of its parameters, and what its stages need before anything is computed."""

    call: Callable[..., Any]
    parameters: type[FlowParameters]
    needs: Callable[[Any], Sequence[Need]] = lambda parameters: ()


def check_flow(name: str) -> None:
    """Refuse a name that is no flow's; imports nothing.

    Raises:
        ConfigError: there is no such flow; which was probably meant.
    """
    if name not in FLOWS:
        close = difflib.get_close_matches(name, FLOWS, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise ConfigError(f"expected a flow, one of {', '.join(FLOWS)}, found {name!r}{hint}")


def flow_named(name: str) -> Entry:  # noqa: PLR0911 - a return per flow
    """The flow called ``name``; imports it, and with it torch and Prefect.

    Raises:
        ConfigError: there is no such flow.
    """
    check_flow(name)
    if name == "cascade":
        from flows import cascade

        return Entry(cascade.cascade, cascade.CascadeParameters, cascade.needs)
    if name == "blame":
        from flows.blame import BlameParameters, blame

        return Entry(blame, BlameParameters)
    if name == "contribution":
        from flows.contribution import ContributionParameters, contribution

        return Entry(contribution, ContributionParameters)
    if name == "refine":
        from flows import refine

        return Entry(refine.refine, refine.RefineParameters, refine.needs)
    if name == "ensemble":
        from flows import ensemble
        from flows.ensemble_parameters import EnsembleParameters

        return Entry(ensemble.ensemble, EnsembleParameters, ensemble.needs)
    if name == "compare":
        from flows import compare

        return Entry(compare.compare, compare.CompareParameters, compare.needs)
    if name == "stack":
        from flows import stack

        return Entry(stack.stack, stack.StackParameters, stack.needs)
    if name == "merge":
        from flows import merge

        return Entry(merge.merge, merge.MergeParameters, merge.needs)
    if name == "experts":
        from flows import experts

        return Entry(experts.experts, experts.ExpertsParameters, experts.needs)
    if name == "train":
        from flows import train

        return Entry(train.train, train.TrainParameters, train.needs)
    if name == "distill":
        from flows import distill

        return Entry(distill.distill, distill.DistillParameters, distill.needs)
    raise AssertionError(f"flow {name} is listed and has no entry")
