"""What the tests of flows spare."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from matplotlib.figure import Figure

from reports.plots import pictures


@pytest.fixture(scope="module", autouse=True)
def plots_without_layout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Reports are drawn whole, but their plots are not laid out, which takes longer than drawing them.

    tests/reports/plots draws them as users see them, and so do the runs of tests/flows/test_deployments.py.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "set_layout_engine", lambda self, layout=None, **_: None)
        patch.setattr(pictures, "cache_folder", lambda: tmp_path_factory.getbasetemp())  # not the user's
        yield
