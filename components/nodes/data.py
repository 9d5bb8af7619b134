"""``data``: a further data set in the same pipeline, such as one to learn coefficients on."""

from __future__ import annotations

from pydantic import Field
from typing_extensions import override

from components.nodes.kind import Kind
from components.nodes.node_context import NodeContext, NodeSettings
from components.storage.places.location import find_in_store


class DataSettings(NodeSettings):
    """The data set."""

    source: str = Field(description="manifest, parallel text 'a.en,a.de' or a set: sample, multi30k:SPLIT")
    limit: int | None = Field(None, ge=1, description="only the first so many utterances")


class Data(Kind[DataSettings]):
    """Reads utterances as they are: speech, text and references."""

    name = "data"
    summary = "a further data set, to learn or to choose on"
    settings = DataSettings
    reads = ()
    inputs = (0, 0)
    output = "data"
    version = "data"  # the stage of a data set has a plan of its own

    @override
    def check(self, settings: DataSettings, context: NodeContext) -> None:
        """Check that the data set is there."""
        from components import data  # noqa: PLC0415 - decodes audio

        data.check(str(find_in_store(settings.source, context.store)), *context.languages)
