"""A compiled forward pass is used in training only, and what does not compile is one line."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch._dynamo.utils import counters

from components.errors import ConfigError
from components.training import checks
from components.training.config import TrainingConfig
from components.training.loop.trainer import train
from components.training.marian_model import build_marian
from components.training.parallel import compilation
from tests.components.training.toy_learner import ToyLearner, exported_weights, toy_settings

TINY = TrainingConfig(num_layers=1, d_model=16, ffn_dim=16, num_heads=2, device="cpu", compile=True)


def test_one_graph_is_used_in_training_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))  # no C++ in a test
    torch._dynamo.reset()
    counters.clear()
    settings = toy_settings(compile=True)
    train(settings, tmp_path / "compiled", make_learner=ToyLearner)
    assert counters["stats"]["unique_graphs"] == 1  # for batches of all shapes
    assert not counters["graph_break"]
    captured = counters["stats"]["calls_captured"]
    model = build_marian(settings, 12)
    names = list(model.state_dict())
    compilation.compile_forward(model)
    assert list(model.state_dict()) == names
    ids = torch.tensor([[3, 4, 0]])
    model.eval()(input_ids=ids, decoder_input_ids=ids)
    model.generate(input_ids=ids, max_length=4)
    assert counters["stats"]["calls_captured"] == captured
    train(toy_settings(), tmp_path / "plain", make_learner=ToyLearner)
    torch.testing.assert_close(exported_weights(tmp_path / "compiled"), exported_weights(tmp_path / "plain"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_card_compiled_passes_and_prefetched_batches_train_the_same(tmp_path: Path) -> None:
    settings = {"dropout": 0.0, "num_microbatches": 2}
    expected = train(toy_settings(**settings), tmp_path / "cpu", make_learner=ToyLearner)
    on_card = toy_settings(device="cuda", compile=True, **settings)
    state = train(on_card, tmp_path / "card", make_learner=ToyLearner)
    for row, other in zip(state.history, expected.history, strict=True):
        assert row["train_loss"] == pytest.approx(other["train_loss"], abs=0.02)  # TF32


def test_a_model_that_does_not_compile_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise torch._dynamo.exc.InternalTorchDynamoError("no\nway")

    monkeypatch.setattr(torch, "compile", lambda function, dynamic: fail)
    with pytest.raises(
        ConfigError, match=r"^compile: expected that torch compiles the model, found no way; leave"
    ):
        train(toy_settings(compile=True), tmp_path, make_learner=ToyLearner)


def test_what_cannot_be_compiled_is_refused_before_work(monkeypatch: pytest.MonkeyPatch) -> None:
    refiner = TINY.model_copy(update={"kind": "deliberation"})
    with pytest.raises(
        ConfigError, match=r"compile: expected a training of kind translation, .*, found deliberation"
    ):
        checks.check_machine(refiner, None)
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(
        ConfigError, match=r"compile: expected a C\+\+ compiler, found no program no-such-compiler"
    ):
        checks.check_machine(TINY, None)
    monkeypatch.setenv("CXX", sys.executable)
    monkeypatch.setattr("sysconfig.get_path", lambda name: "/nowhere")
    with pytest.raises(ConfigError, match=r"compile: expected Python's headers, found no /nowhere/Python\.h"):
        checks.check_machine(TINY, None)
