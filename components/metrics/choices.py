"""Names of metrics and of tests as settings, checked against the table of metrics (loaded only then)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from components.errors import ConfigError
from components.metrics.metric_names import split_metric
from components.text.suggestions import did_you_mean

Output = Literal["transcript", "translation"]
Test = Literal["bootstrap", "randomization"]
"""Paired bootstrap, or approximate randomization."""
TestChoice = Literal["auto", "bootstrap", "randomization"]
"""A test, or the one that has its size: see ``choose_test``."""

TEST_LABELS: dict[Test, str] = {
    "bootstrap": "paired bootstrap",
    "randomization": "approximate randomization",
}


@dataclass(frozen=True)
class MetricChoice:
    """Marks a text that must be the name of a metric, or of one and its model (``comet:MODEL``).

    Attributes:
        output: only metrics of transcripts or of translations; None for all.
        further: names beside those of metrics that are allowed too.
        utilities: only metrics that score one text against another.
        models: whether metrics that a model computes may be chosen: not at all, too, or only these.
        estimates: further names that take a model, ``NAME:MODEL``, though they are no metrics.
    """

    output: Output | None = None
    further: tuple[str, ...] = ()
    utilities: bool = False
    models: Literal["none", "too", "only"] = "none"
    estimates: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """What may be chosen."""
        from components.metrics.table import metrics_of  # noqa: PLC0415 - numpy and jiwer, 0.3 s

        outputs = get_args(Output) if self.output is None else (self.output,)
        rows = [row for output in outputs for row in metrics_of(output).values()]
        names = [row.name for row in rows if row.is_utility or not self.utilities]
        return [*self.further, *(names if self.models != "only" else ())]

    def check(self, name: str) -> str:
        """Return ``name``, if it may be chosen.

        Raises:
            ValueError: it may not.
        """
        if self.models != "none" and self._is_of_model(name):
            return name
        if name not in self.names:
            hint = did_you_mean(name, self.names)
            raise ValueError(f"expected one of {', '.join(self.names)}, found {name!r}{hint}")
        return name

    def _is_of_model(self, name: str) -> bool:
        """Return whether ``name`` is ``NAME:MODEL``; ValueError where it should be and is not."""
        from components.metrics.table import METRICS, get_model_metric  # noqa: PLC0415 - as above

        base, model = split_metric(name)
        if model and base in self.estimates:
            return True
        if ":" not in name and self.models != "only" and not (name in METRICS and METRICS[name].needs_model):
            return False
        try:
            get_model_metric(name)
        except ConfigError as error:
            further = f"; or {', '.join(self.estimates)} with a model" if self.estimates else ""
            raise ValueError(f"{error}{further}") from None
        return True

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        if self.models == "none":
            return {"enum": self.names, "type": "string"}
        return {"type": "string", "examples": [*self.names, "comet:hub:Unbabel/wmt22-comet-da"]}


UtilityName = Annotated[str, MetricChoice(models="too", utilities=True)]
"""One that scores a text against another text, or ``NAME:MODEL``."""
TranslationMetricName = Annotated[str, MetricChoice("translation")]
AnyMetricName = Annotated[str, MetricChoice(models="too")]
"""Also ``NAME:MODEL``, as ``comet:hub:Unbabel/wmt22-comet-da``."""
ModelMetricName = Annotated[str, MetricChoice("translation", models="only")]
"""``NAME:MODEL`` only."""
