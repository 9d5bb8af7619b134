"""What the tests of this folder compare with."""

from __future__ import annotations

import pytest

from tests.crash.processes import SHARDS, Ended, Place


@pytest.fixture(scope="session")
def straight(tmp_path_factory: pytest.TempPathFactory, prefect_url: str) -> Ended:
    """A run that nothing happened to."""
    place = Place(tmp_path_factory.mktemp("straight"), prefect_url)
    done = place.run()
    assert done.code == 0, done.errors[-3000:]
    assert len(place.calls()) == SHARDS
    return done
