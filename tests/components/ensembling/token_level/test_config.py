"""Settings of token-level ensembles: members, their devices, and names that were used before."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from components.decoding.member_settings import MixingConfig
from components.ensembling.member_list import list_members
from components.ensembling.token_level.checks import check_translators
from components.errors import ConfigError
from components.translation.config import EnsembleConfig, TranslatorMembers


@pytest.mark.parametrize("name", ["pool", "pooled"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="output_level"):
        MixingConfig.model_validate({"method": name})


def test_one_member_is_refused_unless_its_dropout_makes_it_many() -> None:
    with pytest.raises(ConfigError, match="at least two members to mix, found 1: name more"):
        list_members(["a"], MixingConfig())
    assert list_members(["dropout:a"], MixingConfig()) == ["dropout:a"]


def test_devices_of_members_stand_beside_them_or_in_a_list_of_their_own() -> None:
    placed = TranslatorMembers.model_validate(
        {"model": "a", "members": ["b", {"model": "c", "device": "cuda:1"}], "dropout_members": 2}
    )
    assert (placed.members, placed.member_devices) == (("b", "c"), ("", "cuda:1"))
    assert placed.devices_after(2) == ("", "", "", "cuda:1")
    assert [placed.for_member(index).device for index in range(3)] == ["auto", "cuda:1", "auto"]
    assert placed == TranslatorMembers.model_validate(placed.model_dump())
    assert "member_devices" not in TranslatorMembers(model="a", members=("b",)).settings_for_key(set())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"members": [{"model": "b", "gpu": 1}]}, "members: expected model and device, found model, gpu"),
        (
            {"model": "a", "members": ["b"], "member_devices": ["", ""]},
            "expected one for each of 1 members, found 2",
        ),
        ({"members": ["b"]}, "members: expected two or more, or one beside model, found one alone"),
        ({"members": [{"model": "b"}], "member_devices": ["cpu"]}, "in members or in member_devices"),
    ],
)
def test_devices_of_nobody_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TranslatorMembers.model_validate(values)


def test_members_that_share_no_vocabulary_stay_together() -> None:
    values = {"members": ["a", "b"], "member_devices": ["", "cpu"], "mixing": {"vocabulary": "union"}}
    with pytest.raises(ConfigError, match="member_devices: expected members of one vocabulary"):
        check_translators(EnsembleConfig.model_validate(values), None)
