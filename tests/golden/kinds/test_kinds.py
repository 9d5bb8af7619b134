"""What enters the keys of stages through their kinds is what it was: a key moves only where outputs do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.golden.kinds.golden import AGAIN, find_faults, find_unchanged_settings, read_golden
from tests.golden.kinds.plans import Workplace, open_workplace

GOLDEN = read_golden()


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    """The files, the store and the server that graphs name."""
    with open_workplace(tmp_path_factory.mktemp("kinds")) as opened:
        yield opened


@pytest.mark.parametrize("name", GOLDEN)
def test_keys_are_made_of_what_they_were(name: str, workplace: Workplace) -> None:
    faults = list(find_faults(name, GOLDEN[name], workplace))
    assert not faults, "\n".join([*faults, AGAIN])


def test_every_setting_of_every_kind_is_changed_once() -> None:
    missing = find_unchanged_settings(GOLDEN)
    assert not missing, f"{', '.join(missing)}: expected off default in facts.json, found nowhere; {AGAIN}"


def test_the_golden_would_see_a_key_that_moved(workplace: Workplace) -> None:
    facts = {"node": {**GOLDEN["select"]["facts"]["node"], "version": "0"}}
    assert list(find_faults("select", {"facts": facts, "moves": {'{"of": "mt"}': {}}}, workplace)) == [
        "select: node.version: expected '0', found '2'",
        "select with {\"of\": \"mt\"}: node.upstream.of1: expected '(unmoved)', found '(absent)'",
    ]
