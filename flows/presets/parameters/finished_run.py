"""Parameters that take texts of a finished run in place of nodes that compute them."""

from __future__ import annotations

from pydantic import Field

from components.errors import AntiphonError, ConfigError
from components.run_record import RunRecord, StageRef
from components.storage.store import Store
from flows.parameters.base import DataParameters, Nodes


def load_finished(name: str, store: str | None, setting: str) -> RunRecord:
    """Return a finished run that a setting names.

    Raises:
        ConfigError: there is no such run.
    """
    try:
        return Store(store).load_run(name)
    except AntiphonError as error:
        raise ConfigError(f"{setting}: {error}") from error


def stored_nodes(mt: StageRef, asr: StageRef | None) -> Nodes:
    """Return the nodes ``asr`` and ``mt`` that give finished stages."""
    transcripts: Nodes = {} if asr is None else {"asr": {"kind": "reuse", "key": asr.key}}
    of = "data" if asr is None else "asr"
    return {**transcripts, "mt": {"kind": "reuse", "to": "target", "of": of, "key": mt.key}}


class DraftParameters(DataParameters):
    """What a refinement has beside its graph: a finished run to go on with."""

    draft: str | None = Field(None, description="a finished run whose mt stage is refined, with its data")

    def _draft_stages(self) -> dict[str, StageRef]:
        """Return the stages of the finished run whose draft is refined, of all its data.

        Raises:
            ConfigError: no such run, one without data or translations, or a limit beside it.
        """
        if self.limit is not None:
            raise ConfigError(
                f"limit: expected none with a draft, whose data are refined, found {self.limit}"
            )
        run = load_finished(str(self.draft), self.store, "draft")
        stages = {ref.stage: ref for ref in run.stages}
        if "data" not in stages or "mt" not in stages:
            raise ConfigError(
                f"draft {self.draft}: expected a run with the stages data and mt, "
                f"found {', '.join(stages) or 'none'}; run the cascade first"
            )
        return stages

    @property
    def finished_data(self) -> StageRef | None:
        """The data of the draft."""
        return None if self.draft is None else self._draft_stages()["data"]

    def replace_nodes(self, nodes: Nodes) -> Nodes:
        """Return the nodes with the draft's in place of those that write one."""
        if self.draft is None:
            return nodes
        stages = self._draft_stages()
        others = {name: values for name, values in nodes.items() if name not in ("asr", "mt")}
        return {**stored_nodes(stages["mt"], stages.get("asr")), **others}
