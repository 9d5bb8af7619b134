"""Old names of settings: read with a warning, refused beside the present one, and inherited."""

from __future__ import annotations

from typing import ClassVar

import pytest
from pydantic import ConfigDict, ValidationError

from components.deprecated_names import DeprecatedNames
from components.experts.config import ExpertsConfig
from components.training.config import TrainingConfig
from components.training.distillation_config import DistillationConfig
from components.training.meta_learner import MetaConfig


class Base(DeprecatedNames):
    model_config = ConfigDict(extra="forbid")
    deprecated_names: ClassVar = {"width": "d_model", "start": "init_from"}
    d_model: int = 4
    init_from: str = ""


class Derived(Base):
    deprecated_names: ClassVar = {"experts": "num_experts"}
    num_experts: int = 1
    start: int = 0


def test_an_old_name_sets_the_field_and_warns(caplog: pytest.LogCaptureFixture) -> None:
    assert Base.model_validate({"width": 8}) == Base(d_model=8)
    assert "width is now called d_model" in caplog.text


def test_present_names_do_not_warn(caplog: pytest.LogCaptureFixture) -> None:
    Base.model_validate({"d_model": 8})
    assert not caplog.text


def test_both_names_are_refused() -> None:
    with pytest.raises(ValidationError, match="expected d_model alone"):
        Base.model_validate({"width": 8, "d_model": 8})


def test_unknown_names_are_refused_as_ever() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        Base.model_validate({"breadth": 8})


def test_names_are_inherited_and_a_field_of_the_old_name_is_that_field() -> None:
    config = Derived.model_validate({"width": 8, "experts": 3, "start": 7})
    assert (config.d_model, config.num_experts, config.start, config.init_from) == (8, 3, 7, "")


@pytest.mark.parametrize("model", [TrainingConfig, DistillationConfig, ExpertsConfig, MetaConfig])
def test_every_old_name_of_a_training_names_a_field(model: type[DeprecatedNames]) -> None:
    names = model.list_renamed_fields()
    assert set(names.values()) <= set(model.model_fields)
    assert names["width"] == "d_model"
