"""``fit_fusion``: the coefficient of late fusion and of fused n-best lists, learned on a development set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from typing_extensions import override

from components.compute.machine import dtype_for_key
from components.errors import ConfigError
from components.nodes.facts import Mode, state
from components.nodes.node_context import NodeContext
from components.run_record import StageRef
from components.stacking.config import FUSION_METHODS
from components.stacking.kinds.stack import LIBRARIES, StackKind, StackSettings
from components.stacking.kinds.train_stack import check_spoken_sets
from components.stacking.lists.coefficient_file import read_coefficient, write_coefficient
from components.storage.stages.reader import read_nbests_by_id, read_utterances
from components.storage.stages.whole_stage import StageFiles

VERSION = "1"
"""Raised when the coefficients change."""


class FitFusionSettings(StackSettings):
    """Settings of the second system whose coefficient is learned."""

    def key_parameters(self) -> dict[str, Any]:
        """Return the parameters; likelihoods do not depend on the search, nor lists on sources left blank."""
        blank = {"ablate"} if self.ablate else set()  # added when there were coefficients without it
        own = {"beam_size", "n_best"} if self.method == "pooled" else blank
        values = self.model_dump(mode="json", include={"method", "batch_size", *own})
        return values | dtype_for_key(self.dtype, self.device)


class FitFusion(StackKind):
    """Learns by likelihood where both models search together, by BLEU where finished lists are combined."""

    name = "fit_fusion"
    summary = "speech, transcripts and (pooled) translations of a development set -> the coefficient of stack"
    settings = FitFusionSettings
    reads = ("speech", "text")
    inputs = (2, 3)
    output = "table"
    mode = Mode.WHOLE
    version = VERSION
    libraries = (*LIBRARIES, "sacrebleu")
    stated = state(tables={})

    @override
    def check_inputs(self, settings: StackSettings, context: NodeContext) -> None:
        """Check the inputs and models that the method needs."""
        method = settings.method
        if method not in FUSION_METHODS:
            raise ConfigError(
                f"expected a method with a coefficient, {' or '.join(FUSION_METHODS)}, found {method}"
            )
        if settings.model is None or settings.text_model is None:
            raise ConfigError(f"{method} mixes model and text_model, found one missing")
        check_spoken_sets(self.name, NodeContext(context.name, of=context.of[:2], types=context.types[:2]))
        if context.types[2:] != (("text",) if method == "pooled" else ()):
            raise ConfigError(f"{method} reads speech, transcripts{', translations' * (method == 'pooled')}")

    @override
    def make(
        self, settings: StackSettings, context: NodeContext, read: Mapping[str, StageRef], folder: Path
    ) -> StageFiles:
        """Write the weight of the direct model, and the score that it reached."""
        from components.stacking import source_lines  # noqa: PLC0415 - it needs torch
        from components.stacking.lists import late_fusion, nbest_fusion  # noqa: PLC0415 - they need torch

        examples = list(
            source_lines.stacking_inputs(
                settings,
                read_utterances(read["of0"]),
                read_nbests_by_id(read.get("of1")),
                read_nbests_by_id(read.get("of2")) if settings.method == "pooled" else None,
            )
        )
        learn = (
            nbest_fusion.learn_coefficient if settings.method == "pooled" else late_fusion.learn_coefficient
        )
        value, reached = learn(settings.config, settings.text_model or "", examples, context.store)
        return write_coefficient(folder, value, reached, len(examples))

    @override
    def notes(
        self, settings: StackSettings, context: NodeContext, ref: StageRef, data: StageRef | None
    ) -> list[str]:
        """Say what was learned."""
        where = context.of[0] if data is None else data.stage
        value = read_coefficient(Path(ref.path))
        return [f"coefficient of the direct model, learned on {where}: {value:.2f}"]
