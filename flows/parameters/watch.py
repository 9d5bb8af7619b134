"""Parameters of the flows `watch` and `rollback`."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from components.errors import ConfigError
from components.monitoring.drift.detection import ALPHA
from flows.parameters.base import DATA_DESCRIPTION, FlowParameters


class WatchParameters(FlowParameters):
    """What can be set on watching."""

    model_config = ConfigDict(title="Watch")

    runs: tuple[str, ...] = Field(
        (), max_length=500, description="finished runs over new data, in the order of time"
    )
    accepted: str | None = Field(
        None, description="the run that was accepted; the accepted one of the same flow if empty"
    )
    data: str | None = Field(
        None, description=f"instead of runs: run the accepted graph over this first. {DATA_DESCRIPTION}"
    )
    audio: str | None = Field(None, description="the same, over a folder of recordings")
    alpha: float = Field(
        ALPHA, gt=0, lt=0.5, description="probability of any false alarm in the whole life of what is watched"
    )
    review: bool = Field(
        False, description="where there is an alarm, wait for a person's corrections in this run's page"
    )
    hours: float = Field(24.0, gt=0, le=24 * 90, description="how long a review waits")

    def check_source(self) -> None:
        """Refuse what names no new data, or several.

        Raises:
            ConfigError: which.
        """
        given = [name for name in ("runs", "data", "audio") if getattr(self, name)]
        if len(given) != 1:
            raise ConfigError(f"expected one of runs, data and audio, found {' and '.join(given) or 'none'}")
        if not self.runs and self.accepted is None:
            raise ConfigError("accepted: expected the run whose graph runs over the data, found none")


class RollBackParameters(FlowParameters):
    """Which deployment goes back, and to what."""

    model_config = ConfigDict(title="Roll back")

    deployment: str = Field(description="FLOW/NAME of a deployment, such as pipeline/nightly")
    accepted: str = Field(description="the run whose settings it gets")
