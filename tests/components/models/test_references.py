"""Model references as text."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import ConfigError
from components.models.references import missing_path_error, split_reference
from components.models.sources import SOURCES


@pytest.mark.parametrize("scheme", ["node", *SOURCES])
def test_a_reference_is_its_scheme_and_a_name(scheme: str) -> None:
    assert split_reference(f"{scheme}:a/b@main") == (scheme, "a/b@main")


@pytest.mark.parametrize("path", ["models/a", "c:/models/a", "hub", "./store:KEY"])
def test_everything_else_is_a_path(path: str) -> None:
    assert split_reference(path) == ("path", path)


@pytest.mark.parametrize("reference", ["", "  ", "hub:a\nb", "a\0b", "x" * 5000])
def test_what_cannot_be_a_reference_is_refused(reference: str) -> None:
    with pytest.raises(ConfigError, match="expected a reference such as"):
        split_reference(reference)


def test_a_path_that_does_not_exist_is_one_short_line(tmp_path: Path) -> None:
    (tmp_path / "soup").mkdir()

    def message_of(reference: str) -> str:
        return str(missing_path_error(reference, Path(reference), lambda: ("packaged:whisper-base",)))

    absent = "expected a model's file or folder there, found none"
    assert message_of("./nofolder") == f"./nofolder: {absent}; check the path"
    assert message_of("org/name") == f"org/name: {absent}; a model of the hub is hub:org/name"
    assert message_of(f"{tmp_path}/soop").endswith(f"{absent}; did you mean soup?")
    assert message_of("whisper-bas").endswith("; did you mean packaged:whisper-base?")
    assert "antiphon models list" in message_of("zzz")
