"""Settings that were renamed: the old names are read for one version, with a warning."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, model_validator

_log = logging.getLogger("antiphon.settings")


class DeprecatedNames(BaseModel):
    """Base of settings whose fields had other names in the version before.

    A subclass lists old name -> present name in ``deprecated_names``; those of its bases hold as well. Where
    a subclass has a field of an old name, that name means its field.
    """

    deprecated_names: ClassVar[Mapping[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _read_deprecated_names(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        for old, new in cls.list_renamed_fields().items():
            if old in values:
                _log.warning("setting %s is now called %s; the next version refuses the old name", old, new)
                if new in values:
                    raise ValueError(f"{old}: expected {new} alone, of which it is the old name, found both")
        return cls.with_present_names(values)

    @classmethod
    def list_renamed_fields(cls) -> dict[str, str]:
        """Old name -> present name of every renamed field of this class and its bases."""
        names = {old: new for base in reversed(cls.__mro__) for old, new in _own_names(base).items()}
        return {old: new for old, new in names.items() if old not in cls.model_fields}

    @classmethod
    def with_present_names(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """The same settings under the names that they have now; what is unknown stays as it is."""
        names = cls.list_renamed_fields()
        return {names.get(name, name): value for name, value in values.items()}


def read_deprecated_value(value: object, old: str, new: str, setting: str) -> object:
    """Read the ``old`` name of a value as its ``new`` one, with a warning that names the setting."""
    if value != old:
        return value
    _log.warning("%s: %s is now called %s; the next version refuses the old name", setting, old, new)
    return new


def _own_names(base: type) -> Mapping[str, str]:
    names: Mapping[str, str] = vars(base).get("deprecated_names", {})
    return names
