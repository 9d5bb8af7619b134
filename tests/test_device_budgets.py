"""What a decoding step may cost off the CPU: waits for the device, uploads, kernels; see strict_device.

The device stands still while the host waits, so these are laws and no measurements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import pytest

from components.decoding import logits_processors
from components.decoding.combiner import Combiner
from components.decoding.config import SearchConfig
from components.decoding.generation_settings import logits_processors_of
from components.decoding.logits_processors import LogitsProcessor
from components.decoding.models.causal import CausalModel
from components.decoding.scorers import TokenScorer
from components.decoding.search import search
from components.ensembling.token_level.combiners import (
    LinearInterpolation,
    LogLinearInterpolation,
    NegativeEvidence,
)
from components.recognition.backends.openai_whisper import OpenAIWhisperBackend
from components.recognition.whisper.logits_processors import whisper_logits_processors
from tests.components.decoding import tiny_models
from tests.components.recognition.tiny import tiny
from tests.strict_device import StrictDevice, on_device, strict_device
from tests.test_strict_device import PROMPTS, gate, marians, seq2seq, windows

SHORT, LONG = 2, 10
"""Lengths of two searches; the 8 steps between them hold one look at which rows are done."""
MAX_WAITS, MAX_KERNELS = 0.2, 1.2
"""Waits a step, and kernels of four members of one architecture to those of one."""


class Setup(NamedTuple):
    """What is searched."""

    scorers: list[TokenScorer]
    processors: Sequence[LogitsProcessor] = ()
    combiner: Combiner | None = None


def one(name: str) -> Setup:
    ready = seq2seq(on_device, name)
    inputs = on_device(tiny_models.sources(ready.model, 3))
    return Setup([ready.build_scorer(**inputs)], logits_processors_of(ready.model))


def causal() -> Setup:
    model = tiny_models.llama()
    model.get_output_embeddings()._forward_hooks.clear()
    return Setup([CausalModel(on_device(model), "digest", "llama").build_scorer([(5, 6, 20), (5, 22)])])


def whisper() -> Setup:
    backend = OpenAIWhisperBackend(on_device(tiny(0)), "float32", 800, 1)
    tokenizer = backend.dims.get_tokenizer(None, "transcribe")
    scorer = backend.build_scorer(backend.encode(on_device(windows()[:, :, :800])), PROMPTS)
    return Setup([scorer], whisper_logits_processors(tokenizer, backend.dims.n_vocab, True))


def mixed(combiner: Combiner, n: int) -> Setup:
    return Setup(marians(on_device, n), combiner=combiner)


SETUPS: dict[str, Callable[[], Setup]] = {
    **{name: partial(one, name) for name in ("marian", "t5")},
    "llama": causal,
    "whisper": whisper,
    "linear": partial(mixed, LinearInterpolation((0.4, 0.6)), 2),
    "log-linear": partial(mixed, LogLinearInterpolation((0.7, 0.6)), 2),
    "negative evidence": partial(mixed, NegativeEvidence(0.3, 0.1), 3),
    "gate": lambda: mixed(LinearInterpolation(gate()), 2),
}


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[StrictDevice]:
    with strict_device(monkeypatch) as device:
        yield device


def counts_of(device: StrictDevice, make: Callable[[], Setup], kind: str, length: int) -> dict[str, int]:
    """Waits, uploads and kernels of a search of this many steps."""
    setup = make()
    never_ends = logits_processors.suppress(setup.scorers[0].vocabulary.eos)
    config = {
        "greedy": SearchConfig(beam_size=1, max_new_tokens=length),
        "beam": SearchConfig(beam_size=3, n_best=3, max_new_tokens=length),
        "samples": SearchConfig(temperature=1.0, n_best=2, max_new_tokens=length),
    }[kind]
    device.counts.clear()
    search(setup.scorers, config, combiner=setup.combiner, logits_processors=[*setup.processors, never_ends])
    return {name: device.counts.total(name) for name in ("sync", "upload", "launch")}


def per_step(device: StrictDevice, make: Callable[[], Setup], kind: str) -> dict[str, float]:
    short, long = (counts_of(device, make, kind, length) for length in (SHORT, LONG))
    return {name: (long[name] - short[name]) / (LONG - SHORT) for name in short}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((name, "beam") for name in SETUPS),
        ("marian", "greedy"),
        ("whisper", "greedy"),
        ("marian", "samples"),
    ],
)
def test_a_step_waits_for_the_device_in_one_of_eight_and_uploads_nothing(
    device: StrictDevice, name: str, kind: str
) -> None:
    costs = per_step(device, SETUPS[name], kind)
    assert costs["sync"] <= MAX_WAITS, dict(device.counts)
    assert costs["upload"] == 0, dict(device.counts)


def test_a_gate_that_leaves_members_out_asks_once_a_step_which(device: StrictDevice) -> None:
    costs = per_step(device, lambda: mixed(LinearInterpolation(gate(1)), 2), "beam")
    assert costs["sync"] <= 1 + MAX_WAITS and costs["upload"] == 0, dict(device.counts)


def test_finished_hypotheses_are_read_in_one_copy(device: StrictDevice) -> None:
    """As many waits for five finished hypotheses of each of three utterances as for one of one."""
    waits = []
    for k, sentences in ((1, 1), (5, 3)):
        (scorer,) = marians(on_device, 1, sentences)
        device.counts.clear()
        nbests = search([scorer], SearchConfig(beam_size=max(2, k), n_best=k, max_new_tokens=7))
        assert all(len(candidates) == k for candidates in nbests)
        waits.append(device.counts.total("sync"))
    assert waits[0] == waits[1], dict(device.counts)
