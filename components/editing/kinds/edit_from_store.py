"""``corrections``: corrections by hand that are in the store, for a node ``edit``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field
from typing_extensions import override

from components.editing.correction import Correction, count_corrections, read_stored_corrections
from components.editing.corrections_stage import KIND
from components.errors import StoreError
from components.nodes.facts import Mode
from components.nodes.kind import Kind
from components.nodes.node_context import NodeContext, NodeSettings
from components.run_record import StageRef
from components.stage_settings import StageKey
from components.storage.stages.whole_stage import StageFiles


class EditFromStoreSettings(NodeSettings):
    """The stage."""

    key: StageKey = Field(pattern=r"^[0-9a-f]{64}$", description="key of a stage of corrections")


class EditFromStore(Kind[EditFromStoreSettings]):
    """Gives corrections that ``antiphon edit`` has stored."""

    name = KIND
    summary = "corrections by hand that are in the store"
    settings = EditFromStoreSettings
    reads = ()
    inputs = (0, 0)
    output = "table"
    mode = Mode.WHOLE
    version = KIND  # that of the code stands in the plan of the stored stage

    @override
    def make(
        self,
        settings: EditFromStoreSettings,
        context: NodeContext,
        read: Mapping[str, StageRef],
        folder: Path,
    ) -> StageFiles:
        """Refuse to make what a person gave.

        Raises:
            StoreError: always: the stage is gone or changed.
        """
        raise StoreError(
            f"{context.name}: expected the corrections {settings.key[:12]}… in the store, found them gone or "
            "changed; give the edited file again"
        )

    @override
    def notes(
        self, settings: EditFromStoreSettings, context: NodeContext, ref: StageRef, data: StageRef | None
    ) -> list[str]:
        """Say how many corrections there are, by whom and when."""
        return summarize_corrections(ref)


def summarize_corrections(ref: StageRef) -> list[str]:
    """Return lines on a stage of corrections: how many, by whom, when and from what."""
    batches: dict[tuple[Any, ...], list[Correction]] = {}
    for each in read_stored_corrections(Path(ref.path)):
        batches.setdefault((each.by, each.at, each.file), []).append(each)
    return [
        f"{ref.stage}: {count_corrections(batch)} by {by} at {at[:16].replace('T', ' ')} from {file}"
        for (by, at, file), batch in batches.items()
    ]
