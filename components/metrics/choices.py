"""Names of metrics and of tests as settings, checked against the table of metrics (loaded only then)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from components.suggestions import did_you_mean

Test = Literal["bootstrap", "randomization"]
"""Paired bootstrap, or approximate randomization."""


@dataclass(frozen=True)
class MetricChoice:
    """Marks a text that must be the name of a metric.

    Attributes:
        output: only metrics of transcripts or of translations; None for all.
        further: names beside those of metrics that are allowed too.
        utilities: only metrics that score one text against another.
    """

    output: Literal["transcript", "translation"] | None = None
    further: tuple[str, ...] = ()
    utilities: bool = False

    @property
    def names(self) -> list[str]:
        """What may be chosen."""
        from components.metrics.table import METRICS, metrics_of  # noqa: PLC0415 - numpy and jiwer, 0.3 s

        rows = METRICS if self.output is None else metrics_of(self.output)
        return [*self.further, *(name for name, row in rows.items() if row.is_utility or not self.utilities)]

    def check(self, name: str) -> str:
        """``name``, if it may be chosen.

        Raises:
            ValueError: it may not.
        """
        if name not in self.names:
            hint = did_you_mean(name, self.names)
            raise ValueError(f"expected one of {', '.join(self.names)}, found {name!r}{hint}")
        return name

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        del schema, handler
        return {"enum": self.names, "type": "string"}


MetricName = Annotated[str, MetricChoice()]
UtilityName = Annotated[str, MetricChoice(utilities=True)]
"""One that scores a text against another text, whatever was said."""
TranslationMetricName = Annotated[str, MetricChoice("translation")]
