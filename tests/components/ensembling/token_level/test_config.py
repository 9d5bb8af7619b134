"""Settings of token-level ensembles: old names are read with a warning."""

from __future__ import annotations

import logging

import pytest
from pydantic import ValidationError

from components.ensembling.token_level.config import MixingConfig, list_members
from components.errors import ConfigError
from flows.parameters.ensemble import EnsembleRecognition


def test_the_old_name_of_output_level_is_read_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="antiphon.ensembling"):
        assert MixingConfig.model_validate({"method": "pooled"}).method == "output_level"
        assert EnsembleRecognition.model_validate({"combination": "pooled"}).combination == "output_level"
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "combine.method",
        "asr.combination",
    ]


def test_other_names_are_refused() -> None:
    with pytest.raises(ValidationError, match="output_level"):
        MixingConfig.model_validate({"method": "pool"})


def test_one_member_is_refused_unless_its_dropout_makes_it_many() -> None:
    with pytest.raises(ConfigError, match="at least two members to mix, found 1: name more"):
        list_members(["a"], MixingConfig())
    assert list_members(["dropout:a"], MixingConfig()) == ["dropout:a"]
