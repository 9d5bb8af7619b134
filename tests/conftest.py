"""Fixtures that several folders of tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.serving import prefect_server


@pytest.fixture(scope="session")
def prefect_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API of a Prefect server that lives as long as the tests."""
    with prefect_server(tmp_path_factory.mktemp("prefect")) as url:
        yield url
