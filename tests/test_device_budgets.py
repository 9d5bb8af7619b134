"""What a decoding step may cost off the CPU: waits for the device, uploads, kernels; see strict_device.

The device stands still while the host waits, so these are laws and no measurements.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import pytest
import torch
from torch import nn

from components.compute import batch_sizes
from components.compute.cuda_graphs import CUDA_GRAPHS
from components.decoding.accelerator.fixed_shapes import static_steps
from components.decoding.accelerator.fixed_shapes.step_graph import Step
from components.decoding.combiner import Combiner
from components.decoding.config import SearchConfig
from components.decoding.constraints import token_constraints
from components.decoding.constraints.logits_processors import AtSteps, History, LogitsProcessor
from components.decoding.models.causal import CausalModel
from components.decoding.models.generation_settings import logits_processors_of
from components.decoding.scorers import TokenScorer
from components.decoding.searches.search import search
from components.ensembling.token_level.combiners import (
    LinearInterpolation,
    LogLinearInterpolation,
    NegativeEvidence,
)
from components.networks.moe.grouped_experts import GroupedExperts
from components.networks.moe.moe_block import MoEBlock, record_routing
from components.networks.moe.router import Router
from components.recognition.backends.whisper.model import OpenAIWhisperBackend
from components.recognition.whisper.logits_processors import whisper_logits_processors
from tests.components.decoding import tiny_models
from tests.components.recognition.tiny import tiny
from tests.strict_device import Counts, StrictDevice, on_card, on_cpu, on_device
from tests.test_strict_device import PROMPTS, Place, gate, marians, seq2seq, windows

STEPS = 8
"""Steps that are counted: one look at which rows are done falls into them."""
MAX_WAITS, MAX_KERNELS = 0.2, 1.2
"""Waits a step, and kernels of four members of one architecture to those of one."""

MAX_REPLAYED = {
    **dict.fromkeys([("marian", "beam"), ("linear", "beam"), ("log-linear", "beam")], 12),
    **{("marian", "greedy"): 12, ("marian", "samples"): 17, ("gate", "beam"): 20},
    **{("whisper", "beam"): 15, ("whisper", "greedy"): 15, ("t5", "beam"): 160},
}
"""Kernels of a step with a replay as one: the members' and mixture's is one, a beam's choice another.

A gate's rows, and tokens that rules read, are brought to the buffers; T5's decoder is not recorded."""


class Setup(NamedTuple):
    """What is searched."""

    scorers: list[TokenScorer]
    processors: Sequence[LogitsProcessor] = ()
    combiner: Combiner | None = None


def one(place: Place, name: str) -> Setup:
    ready = seq2seq(place, name)
    inputs = place(tiny_models.sources(ready.model, 3))
    return Setup([ready.build_scorer(**inputs)], logits_processors_of(ready.model))


def causal(place: Place) -> Setup:
    model = tiny_models.llama()
    model.get_output_embeddings()._forward_hooks.clear()
    return Setup([CausalModel(place(model), "digest", "llama").build_scorer([(5, 6, 20), (5, 22)])])


def whisper(place: Place) -> Setup:
    backend = OpenAIWhisperBackend(place(tiny(0)), "float32", 800, 1)
    tokenizer = backend.dims.get_tokenizer(None, "transcribe")
    scorer = backend.build_scorer(backend.encode(place(windows()[:, :, :800])), PROMPTS)
    return Setup([scorer], whisper_logits_processors(tokenizer, True))


def mixed(place: Place, combine: Callable[[], Combiner], n: int) -> Setup:
    return Setup(marians(place, n), combiner=combine())


SETUPS: dict[str, Callable[[Place], Setup]] = {
    **{name: partial(one, name=name) for name in ("marian", "t5")},
    "llama": causal,
    "whisper": whisper,
    "linear": partial(mixed, combine=lambda: LinearInterpolation((0.4, 0.6)), n=2),
    "log-linear": partial(mixed, combine=lambda: LogLinearInterpolation((0.7, 0.6)), n=2),
    "negative evidence": partial(mixed, combine=lambda: NegativeEvidence(0.3, 0.1), n=3),
    "gate": partial(mixed, combine=lambda: LinearInterpolation(gate()), n=2),
}
GATE_OF_ONE = partial(mixed, combine=lambda: LinearInterpolation(gate(1)), n=2)
SEARCHES = [
    *((name, "beam") for name in SETUPS),
    *(("marian", "greedy"), ("whisper", "greedy"), ("marian", "samples")),
]


def run(setup: Setup, kind: str, length: int, watch: Callable[[int], None]) -> None:
    """Search for ``length`` steps without an end; ``watch`` sees each of them, and changes nothing."""
    never_ends = token_constraints.suppress(setup.scorers[0].vocabulary.eos)
    config = {
        "greedy": SearchConfig(beam_size=1, max_new_tokens=length),
        "beam": SearchConfig(beam_size=3, n_best=3, max_new_tokens=length),
        "samples": SearchConfig(temperature=1.0, n_best=2, max_new_tokens=length),
    }[kind]

    def see(step: int, _: int) -> bool:
        watch(step)
        return False

    rules = [AtSteps(never_ends, see), never_ends, *setup.processors]
    search(setup.scorers, config, combiner=setup.combiner, logits_processors=rules)


def count_steps(device: StrictDevice, make: Callable[[Place], Setup], kind: str) -> Counts:
    """What ``STEPS`` steps ask of the device, once what is needed at every step is there."""
    seen: dict[int, Counts] = {}

    def watch(step: int) -> None:
        seen.setdefault(step, Counts(device.counts))

    setup = make(on_device)
    device.counts.clear()
    run(setup, kind, STEPS + 3, watch)
    return Counts(seen[STEPS + 2] - seen[2])


def per_step(device: StrictDevice, make: Callable[[Place], Setup], kind: str) -> dict[str, float]:
    """Waits, uploads and kernels of a step."""
    counts = count_steps(device, make, kind)
    return {name: counts.total(name) / STEPS for name in ("sync", "upload", "launch")}


@pytest.mark.parametrize(("name", "kind"), SEARCHES)
def test_a_step_waits_for_the_device_in_one_of_eight_and_uploads_nothing(
    device: StrictDevice, name: str, kind: str
) -> None:
    costs = per_step(device, SETUPS[name], kind)
    assert costs["sync"] <= MAX_WAITS, dict(device.counts)
    assert costs["upload"] == 0, dict(device.counts)


class CountedReplays:
    """Counts a replay as one kernel, whatever it starts."""

    def __init__(self, device: StrictDevice) -> None:
        self._device = device

    def warm_up(self, step: Step) -> None:
        step()

    def record(self, step: Step) -> Callable[[], None]:
        def replay() -> None:
            counts = Counts(self._device.counts)
            step()
            self._device.counts.clear()
            self._device.counts.update(counts)
            self._device.note("launch", "replay")

        return replay


@contextmanager
def fixed_steps(device: StrictDevice, monkeypatch: pytest.MonkeyPatch, *, replays: bool) -> Iterator[None]:
    """Within the block decoding steps have fixed shapes, and are replayed where that is wanted."""
    batch_sizes._free_cached()  # buffers whose graphs count elsewhere
    with monkeypatch.context() as patch:
        patch.setenv(CUDA_GRAPHS, "on" if replays else "eager")
        patch.setattr(static_steps, "make_recorder", lambda _: CountedReplays(device) if replays else None)
        yield


@pytest.mark.parametrize(("name", "kind"), [("linear", "greedy"), ("whisper", "beam")])
def test_steps_of_fixed_shapes_wait_and_upload_no_more(
    device: StrictDevice, name: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replayed, the members of two layers each are one kernel."""
    grown = per_step(device, SETUPS[name], kind)["launch"]
    for replays in (False, True):
        with fixed_steps(device, monkeypatch, replays=replays):
            costs = per_step(device, SETUPS[name], kind)
        assert costs["sync"] <= MAX_WAITS and costs["upload"] == 0, dict(device.counts)
    assert costs["launch"] < 0.6 * grown


@pytest.mark.parametrize(("name", "kind"), MAX_REPLAYED)
def test_beside_replays_few_kernels_are_left(
    device: StrictDevice, name: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fixed_steps(device, monkeypatch, replays=True):
        counts = count_steps(device, SETUPS[name], kind)
    assert counts.total("sync") <= MAX_WAITS * STEPS and not counts.total("upload"), dict(counts)
    assert counts.total("launch") <= MAX_REPLAYED[name, kind] * STEPS, dict(counts)
    if name != "t5":  # rules, and a beam's top-k (ten kernels or so on a card)
        assert not {"topk", "index_fill_"} & {operation for _, operation, _ in counts}, dict(counts)


def test_a_gate_that_leaves_members_out_asks_once_a_step_which(device: StrictDevice) -> None:
    costs = per_step(device, GATE_OF_ONE, "beam")
    assert costs["sync"] <= 1 + MAX_WAITS and costs["upload"] == 0, dict(device.counts)


@pytest.mark.gpu
@pytest.mark.parametrize(("name", "kind"), SEARCHES)
def test_a_step_on_a_card_waits_in_one_of_eight(
    name: str, kind: str, recwarn: pytest.WarningsRecorder
) -> None:
    """CUDA itself warns of every wait."""
    seen: dict[int, int] = {}

    def watch(history: History) -> bool:
        seen.setdefault(history.step, sum("synchroniz" in str(warning.message) for warning in recwarn))
        return False

    setup = SETUPS[name](on_card)
    warnings.simplefilter("always")
    torch.cuda.set_sync_debug_mode("warn")
    try:
        run(setup, kind, STEPS + 3, watch)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert (seen[STEPS + 2] - seen[2]) / STEPS <= MAX_WAITS


def test_four_members_of_one_architecture_are_hardly_more_kernels_than_one(device: StrictDevice) -> None:
    four = partial(mixed, combine=lambda: LinearInterpolation((0.25,) * 4), n=4)
    kernels = [per_step(device, make, "beam")["launch"] for make in (SETUPS["marian"], four)]
    assert kernels[1] <= MAX_KERNELS * kernels[0], kernels


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


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize(
    ("tokens", "setting"), [(3, "plain"), (40, "plain"), (40, "padding"), (40, "capacity")]
)
def test_a_layer_of_experts_waits_for_nothing_and_uploads_nothing(
    device: StrictDevice, dtype: torch.dtype, tokens: int, setting: str
) -> None:
    torch.manual_seed(0)
    block = MoEBlock(Router(16, 4, 2), GroupedExperts(4, 16, 32, gated=True), capacity=0.75).to(dtype)
    block.train(setting == "capacity")
    x = torch.randn(tokens, 16, dtype=dtype)
    block.positions = torch.arange(tokens - 5) if setting == "padding" else None
    expected = block(x)
    block = on_device(block)
    if setting == "padding":
        block.positions = on_device(block.positions)
    x = on_device(x)
    device.counts.clear()
    output = block(x)
    assert (device.counts.total("sync"), device.counts.total("upload")) == (0, 0), dict(device.counts)
    torch.testing.assert_close(on_cpu(output), expected, atol=2e-2, rtol=2e-2)


def test_the_positions_of_tokens_are_asked_for_once_for_all_layers(device: StrictDevice) -> None:
    model = nn.ModuleDict({str(i): MoEBlock(Router(16, 4, 2), GroupedExperts(4, 16, 32)) for i in range(3)})
    mask = on_device(torch.tensor([[True, True, False]]))
    device.counts.clear()
    with record_routing(on_device(model), lambda name: mask):
        assert device.counts.total("sync") == 1
