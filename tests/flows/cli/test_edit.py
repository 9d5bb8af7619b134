"""`antiphon edit` where no run is needed; tests/flows/test_edit.py has the rest."""

from __future__ import annotations

import getpass

import pytest

from components.errors import ConfigError
from flows.cli.edit import system_user


@pytest.mark.parametrize("fault", [KeyError("getpwuid(): uid not found: 1234"), OSError("No username set")])
def test_a_user_without_a_name_is_asked_for_one(fault: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise fault

    monkeypatch.setattr(getpass, "getuser", fail)
    with pytest.raises(ConfigError, match=r"^--by: expected a name"):
        system_user()
