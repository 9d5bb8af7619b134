"""Tests that a processor cannot run are named, and none of the core may be one of them."""

from __future__ import annotations

import pytest

pytest_plugins = "pytester"


def test_skips_are_named_and_those_of_the_core_are_failures(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("from tests.conftest import pytest_runtest_makereport, pytest_terminal_summary")
    pytester.makepyfile(
        test_it="""
        import pytest
        from tests.processor import require

        @pytest.mark.parametrize("number", range(3))
        def test_vectors(number):
            require(number == 0, "wide vectors")

        def test_cards():
            pytest.skip("needs a CUDA device")

        @pytest.mark.core
        def test_result():
            require(False, "wide vectors")
        """
    )
    run = pytester.runpytest_inprocess("-p", "no:xdist")
    run.assert_outcomes(passed=1, skipped=3, failed=1)
    run.stdout.fnmatch_lines(
        ["*skipped on this processor*", "test_it.py::test_vectors (2): processor without wide vectors"]
    )
    assert "test_cards" not in run.stdout.str()
    run.stdout.fnmatch_lines(["*a test of the core was skipped*wide vectors*"])
