"""Settings that decide the outputs of stages, whose keys stay when a setting is added."""

from __future__ import annotations

from collections.abc import Set
from typing import Any, ClassVar

from pydantic import BaseModel


class StageSettings(BaseModel):
    """Base of settings that are part of a stage's key.

    A subclass lists in ``later_settings`` those that were added when there were stages without them.
    """

    later_settings: ClassVar[tuple[str, ...]] = ()

    def settings_for_key(self, exclude: Set[str]) -> dict[str, Any]:
        """The settings that decide outputs, as a stage's key has them, without those in ``exclude``.

        Later settings are left out at their defaults, so that stages from before are still reused.
        """
        fields = type(self).model_fields
        unset = {name for name in self.later_settings if getattr(self, name) == fields[name].default}
        return self.model_dump(mode="json", exclude={*exclude, *unset})
