"""Fixtures that tests of several backends share."""

from __future__ import annotations

import pytest

from components import data
from components.records import Utterance


@pytest.fixture(scope="session")
def utterances() -> list[Utterance]:
    """The two shortest recordings of the sample set."""
    return sorted(data.load("sample").utterances, key=lambda u: u.audio.seconds if u.audio else 0.0)[:2]
