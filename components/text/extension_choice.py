"""Settings whose values are names of extensions: checked when they are read, listed in forms and help."""

from __future__ import annotations

from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from components.extensions import Extensions, accept_any
from components.text.suggestions import did_you_mean


class ExtensionChoice:
    """Marks a text that must name an extension, as in ``Annotated[str, ExtensionChoice("antiphon.kinds")]``.

    Args:
        group: of the entry points.
        further: what may be chosen beside them, listed first.
    """

    def __init__(self, group: str, *further: str) -> None:
        self._extensions, self._further = Extensions(group, "extension", accept_any), further

    @property
    def names(self) -> tuple[str, ...]:
        """What may be chosen."""
        return (*self._further, *self._extensions)

    def check(self, name: str) -> str:
        """Return ``name`` if it may be chosen. ValueError else."""
        if name not in self._further and name not in self._extensions:
            raise ValueError(
                f"expected one of {', '.join(self.names)}, found {name!r}{did_you_mean(name, self.names)}"
            )
        return name

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"enum": list(self.names), "type": "string"}
