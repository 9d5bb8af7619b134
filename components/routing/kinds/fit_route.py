"""``fit_route``: the threshold of a route, learned for a budget, a target or a guarantee."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from typing_extensions import override

from components.errors import ConfigError
from components.nodes.facts import Carry, Facts, Items, Mode
from components.nodes.kind import Kind
from components.nodes.measures import CONFIDENCE
from components.nodes.node_context import Item, NodeContext
from components.routing.kinds.route_settings import FitRouteSettings, describe_number, tiers_of
from components.routing.objective import MIN_UTTERANCES
from components.routing.route_fit import FIT_ROUTE, ROUTE_FILE, read_route_fit, write_route_fit
from components.run_record import StageRef
from components.storage.stages.whole_stage import StageFiles

VERSION = "1"
"""Raised when the thresholds or curves change."""


class FitRoute(Kind[FitRouteSettings]):
    """Learns from ``of``: what the route reads, then the cheap and the expensive rung.

    What the route reads may itself be the cheap rung and is then written once. Without the expensive rung
    there is no curve; without any text of a rung, a budget can be learned alone.
    """

    name = FIT_ROUTE
    summary = "what a route reads, then outputs of its rungs, with references -> the threshold of route"
    settings = FitRouteSettings
    reads = ("speech", "text", "table")
    inputs = (1, 3)
    output = "table"
    mode = Mode.AGGREGATE
    items = Items(Carry.INPUTS)

    @override
    def facts(self, settings: FitRouteSettings) -> Facts:
        # A budget over the very utterances that are routed, without rungs, takes any number of them.
        alone = MIN_UTTERANCES if settings.guarantee else 0
        predicts = ("scikit-learn", "rapidfuzz") if settings.by_several else ()
        return replace(
            super().facts(settings),
            version="2" if CONFIDENCE in settings.by_several else VERSION,
            libraries=("numpy", "scipy", "jiwer", "sacrebleu", "openai-whisper", *predicts),
            numbers=settings.numbers,
            fewest_utterances=(alone, MIN_UTTERANCES),
            needs_unseen=settings.guarantee is not None,
            description=f"by {describe_number(settings.by)}, {settings.describe()}",
        )

    @override
    def check_inputs(self, settings: FitRouteSettings, context: NodeContext) -> None:
        """Check that there are the rungs that the objective needs."""
        tiers = tiers_of(context)
        needs = {"target": 2, "budget_seconds": 2, "guarantee": 1}
        what, need = settings.parts[0], needs.get(settings.parts[0], 0)
        if settings.by_several:
            what, need = "by: several", 2
        if len(tiers) < need:
            raise ConfigError(
                f"{what}: expected tiers: [CHEAP, EXPENSIVE] that give text ({self.name} reads "
                f"them by of), found {', '.join(context.display_names) or 'none'}"
            )
        if settings.by == "length" and tiers and context.types[0] != "text":
            raise ConfigError("by: expected a number of a rung's text, found length of the data; read a text")

    @override
    def collect(
        self, settings: FitRouteSettings, context: NodeContext, items: Iterator[Item], folder: Path
    ) -> StageFiles:
        """Learn the threshold, and trace the curve where there are references and both rungs."""
        from components.routing.kinds.route_examples import gather_examples  # noqa: PLC0415 - imports numpy
        from components.routing.learning import learn_route, require_enough  # noqa: PLC0415 - imports numpy

        development = gather_examples(settings, context, list(items))
        if self.facts(settings).fewest_utterances[len(context.of) > 1]:
            require_enough(len(development.values), settings.parts[0])
        fit = learn_route(development, settings)
        write_route_fit(folder, fit)
        return StageFiles([ROUTE_FILE], items=fit.n)

    @override
    def notes(
        self, settings: FitRouteSettings, context: NodeContext, ref: StageRef, data: StageRef | None
    ) -> list[str]:
        """Say what was learned."""
        from components.routing.summary import describe_fit  # noqa: PLC0415 - imports numpy

        return [f"{ref.stage}: {line}" for line in describe_fit(read_route_fit(Path(ref.path)))]
