"""Settings that decide the outputs of stages, whose keys stay when a feature is added that is off."""

from __future__ import annotations

from collections.abc import Set
from typing import Any, ClassVar

from pydantic import BaseModel


class StageSettings(BaseModel):
    """Base of settings that are part of a stage's key.

    A subclass lists in ``keyed_when_set`` the features that are off at their defaults.
    """

    keyed_when_set: ClassVar[tuple[str, ...]] = ()

    def settings_for_key(self, exclude: Set[str]) -> dict[str, Any]:
        """The settings that decide outputs, as a stage's key has them, without those in ``exclude``.

        Those of ``keyed_when_set`` are left out at their defaults.
        """
        fields = type(self).model_fields
        unset = {name for name in self.keyed_when_set if getattr(self, name) == fields[name].default}
        return self.model_dump(mode="json", exclude={*exclude, *unset})
