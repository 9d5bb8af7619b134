"""Model references as text."""

from __future__ import annotations

import pytest

from components.errors import ConfigError
from components.models.references import (
    MAX_DISPLAYED,
    SCHEMES,
    display_reference,
    split_reference,
    unknown_reference_error,
)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_reference_is_its_scheme_and_a_name(scheme: str) -> None:
    assert split_reference(f"{scheme}:a/b@main") == (scheme, "a/b@main")


@pytest.mark.parametrize("path", ["models/a", "c:/models/a", "hub", "./store:KEY"])
def test_everything_else_is_a_path(path: str) -> None:
    assert split_reference(path) == ("path", path)


@pytest.mark.parametrize("reference", ["", "  ", "hub:a\nb", "a\0b", "x" * 5000])
def test_what_cannot_be_a_reference_is_refused(reference: str) -> None:
    with pytest.raises(ConfigError, match="expected a reference such as"):
        split_reference(reference)


def test_messages_show_a_short_reference_without_secrets() -> None:
    assert display_reference("hub:user:SECRET@a/b") == "hub:***@a/b"
    assert len(display_reference("x" * 500)) == MAX_DISPLAYED + 1


def test_an_unknown_reference_names_the_nearest() -> None:
    error = unknown_reference_error("packaged:whisper-bas", "packaged model", ("packaged:whisper-base",))
    assert "did you mean packaged:whisper-base?" in str(error)
