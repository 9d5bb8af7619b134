"""Steps of fixed shapes against steps that grow: the same tokens and scores, eager and replayed."""

from __future__ import annotations

import gc
import logging
import random
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from whisper.model import LayerNorm

from components.compute import batch_sizes
from components.compute.layers import packed_linear
from components.compute.model_cache import ModelCache
from components.decoding.accelerator.choice.recorded_choice import RecordedChoices
from components.decoding.accelerator.decoders.marian_on_device import DeviceMarianScorer
from components.decoding.accelerator.decoders.whisper_on_device import DeviceWhisperScorer
from components.decoding.accelerator.fixed_shapes import (
    kept_workspaces,
    static_cache,
    static_workspace,
    step_graph,
)
from components.decoding.accelerator.fixed_shapes.kept_workspaces import Workspaces
from components.decoding.accelerator.fixed_shapes.static_cache import StaticBeamCache
from components.decoding.accelerator.fixed_shapes.step_graph import Step, StepGraph
from components.decoding.candidates import Candidate
from components.decoding.combiner import Combiner
from components.decoding.config import SearchConfig
from components.decoding.constraints.guidance import Guidance
from components.decoding.constraints.logits_processors import History, LogitsProcessor
from components.decoding.constraints.token_constraints import (
    Renormalize,
    bias_sequences,
    forbid_sequences,
    force_last,
    no_repeat_ngram,
    suppress,
    suppress_at,
    suppress_until,
)
from components.decoding.member_settings import Filter
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.scorers import TokenScorer
from components.decoding.searches.beam_step import Choice
from components.decoding.searches.search import search
from components.decoding.searches.speculative import Draft
from components.ensembling.token_level.combiners import (
    LinearInterpolation,
    LogLinearInterpolation,
    NegativeEvidence,
)
from components.errors import ModelError
from components.recognition.backends.whisper import model as openai_whisper
from components.recognition.backends.whisper.model import EncoderOutput, OpenAIWhisperBackend
from components.recognition.whisper import logits_processors as whisper_rules
from tests.components.decoding import tiny_models
from tests.components.recognition.tiny import tiny
from tests.graph_double import GraphDouble, address, graph_double, tensors_of
from tests.strict_device import on_card
from tests.test_strict_device import gate

LENGTH = 20
CONFIGS = {
    "greedy": SearchConfig(beam_size=1, max_new_tokens=LENGTH),
    "beam": SearchConfig(beam_size=3, n_best=3, max_new_tokens=LENGTH),
    "samples": SearchConfig(temperature=1.0, n_best=3, max_new_tokens=LENGTH),
}
RULES = [no_repeat_ngram(1)]  # or random models would repeat one token for ever


@pytest.fixture(autouse=True)
def small_new_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Caches grow twice within a search, and none is left of the test before."""
    monkeypatch.setattr(static_cache, "FIRST_CAPACITY", 8)
    batch_sizes._free_cached()


@pytest.fixture
def nothing_kept(small_new_caches: None) -> None:
    """Nor what an earlier search still uses: replays of other doubles hold the search they recorded."""
    for each in _workspaces():
        each._kept.clear()


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[GraphDouble]]:
    with graph_double(monkeypatch) as double:
        yield double


@cache
def prepare(seed: int) -> Seq2SeqModel:
    return Seq2SeqModel(plain_marian(seed), "digest", f"marian {seed}")


def plain_marian(seed: int) -> Any:
    model = tiny_models.marian(seed=seed)
    model.get_output_embeddings()._forward_hooks.clear()
    model.final_logits_bias *= 0.3  # sentences end after 10 to 30 tokens, each after its own number
    return model


def marians(ready: Sequence[Seq2SeqModel], sentences: slice = slice(5)) -> list[TokenScorer]:
    inputs = {k: v[sentences] for k, v in tiny_models.sources(ready[0].model, 5).items()}
    return [DeviceMarianScorer(each, inputs, torch.tensor(each.start)) for each in ready]


@cache
def equal_weights(n: int) -> Combiner | None:
    return LinearInterpolation((1 / n,) * n) if n > 1 else None


def decode(
    scorers: Sequence[TokenScorer], kind: str, *rules: Any, combiner: Combiner | None = None
) -> list[list[Candidate]]:
    combiner = combiner or equal_weights(len(scorers))
    processors = [*RULES, *rules]
    return search(scorers, CONFIGS[kind], combiner=combiner, logits_processors=processors, keys=range(5))


def same(
    found: Sequence[Sequence[Candidate]], expected: Sequence[Sequence[Candidate]], within: float = 1e-5
) -> None:
    assert [[c.tokens for c in nbest] for nbest in found] == [[c.tokens for c in nbest] for nbest in expected]
    for nbest, others in zip(found, expected, strict=True):
        for candidate, other in zip(nbest, others, strict=True):
            assert candidate.log_probs == pytest.approx(other.log_probs, abs=within)
            for field in ("member_log_probs", "member_weights"):
                for values, others_ in zip(getattr(candidate, field), getattr(other, field), strict=True):
                    assert values == pytest.approx(others_, abs=within)


@pytest.mark.parametrize(
    ("members", "sentences", "kind"),
    [
        (1, 1, "beam"),
        (1, 3, "greedy"),
        (1, 3, "samples"),
        (4, 1, "greedy"),
        (4, 5, "beam"),
        (4, 3, "samples"),
    ],
)
def test_translations_are_those_of_steps_that_grow(
    members: int, sentences: int, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sentences end one after another, so that the grid is moved together; the cache grows twice."""
    ready = [prepare(seed) for seed in range(members)]
    parts = [slice(sentences), slice(5 - sentences, 5)]
    expected = [decode(marians(ready, part), kind) for part in parts]
    monkeypatch.setenv("ANTIPHON_CUDA_GRAPHS", "eager")
    same(decode(marians(ready, parts[0]), kind), expected[0])
    with graph_double(monkeypatch) as graphs:
        batch_sizes._free_cached()  # buffers that are not to be recorded
        same(decode(marians(ready, parts[0]), kind), expected[0])
        records = graphs.records
        assert 0 < records < graphs.replays
        same(decode(marians(ready, parts[1]), kind), expected[1])  # on the graphs of the first
        assert graphs.records <= records + 3  # where it is shorter or longer


MIXTURES: dict[str, Callable[[], list[Combiner]]] = {
    "linear": lambda: [LinearInterpolation((w, 1 - w)) for w in (0.3, 0.8)],
    "log-linear": lambda: [LogLinearInterpolation((w, 0.5)) for w in (0.7, -0.2)],
    "negative evidence": lambda: [NegativeEvidence(s, 0.01, where) for s, where in STRENGTHS],
    "gate": lambda: [LinearInterpolation(gate(seed=seed)) for seed in (1, 2)],
    "log-linear gate": lambda: [LogLinearInterpolation(gate(seed=seed)) for seed in (1, 2)],
    "gate of one": lambda: [LinearInterpolation(gate(1, seed=seed)) for seed in (1, 2)],
}
STRENGTHS: list[tuple[float, Filter]] = [(0.3, "before"), (0.9, "after")]


KINDS = {"gate of one": "greedy"}  # in a beam two of its hypotheses are equal but for the last bits


@pytest.mark.parametrize(
    ("name", "kind"), [*((name, KINDS.get(name, "beam")) for name in MIXTURES), ("gate", "samples")]
)
def test_a_mixture_is_recorded_with_the_members(
    name: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two systems of the same members take turns: each replays its own combination."""
    ready = [prepare(seed) for seed in range(3 if name == "negative evidence" else 2)]
    combiners = MIXTURES[name]()
    expected = [decode(marians(ready), kind, combiner=combiner) for combiner in combiners]
    with graph_double(monkeypatch) as graphs:
        for turn in range(5):  # in the first turns buffers grow
            records = graphs.records
            same(decode(marians(ready), kind, combiner=combiners[turn % 2]), expected[turn % 2])
        assert graphs.records == records > 0


@pytest.mark.parametrize(
    ("rules", "outside"),
    [
        ([], set()),
        ([suppress([5, 9])], set()),
        ([suppress([5]), suppress([9])], set()),
        ([suppress([5, 9]), suppress_at(4, [7])], {4}),
        ([suppress_until(3, [7]), force_last([2]), suppress([5])], {1, 2}),
        ([no_repeat_ngram(1), no_repeat_ngram(2, [57])], set()),
        ([bias_sequences([([9], 2.0), ([9, 5], 3.0)], [57]), suppress_at(4, [7]), no_repeat_ngram(1)], {4}),
        ([forbid_sequences([[9, 5], [5, 9, 30]]), suppress_until(3, [2]), Renormalize()], {1, 2}),
        ([no_repeat_ngram(2), lambda log_probs, history: log_probs, Renormalize()], {*range(1, LENGTH - 1)}),
    ],
)
@pytest.mark.parametrize("members", [1, 2])
def test_rules_and_the_best_tokens_are_recorded_with_the_members(
    rules: list[LogitsProcessor], outside: set[int], members: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``outside``: the steps whose best tokens are found after the replay, because a rule acts there."""
    ready = [prepare(seed) for seed in range(members)]
    config, combiner = CONFIGS["beam"], equal_weights(members)

    def run() -> list[list[Candidate]]:
        return search(marians(ready), config, combiner=combiner, logits_processors=rules)

    expected = run()
    with graph_double(monkeypatch):
        for _ in range(2):
            with knowing_steps(monkeypatch) as are_known:
                same(run(), expected)
    assert {t for t, known in enumerate(are_known, start=1) if not known} == outside
    assert len(are_known) >= 15


@contextmanager
def knowing_steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """Of each of a beam's choices whether the step had found the best tokens."""
    are_known = list[bool]()
    choose = RecordedChoices.choose

    def note(self: RecordedChoices, log_probs: Tensor, scores: Tensor, best: Any = None) -> Choice:
        are_known.append(best is not None)
        return choose(self, log_probs, scores, best)

    with monkeypatch.context() as patch:
        patch.setattr(RecordedChoices, "choose", note)
        yield are_known


@pytest.mark.usefixtures("nothing_kept")
def test_mixtures_used_longest_ago_are_dropped(
    graphs: type[GraphDouble], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without their graphs new ones are recorded, into memory of their own."""
    monkeypatch.setattr(static_workspace, "MAX_MIXTURES", 1)
    ready = [prepare(seed) for seed in range(2)]
    first, second = MIXTURES["linear"]()
    records = []
    for combiner in (first, first, first, second, first):
        decode(marians(ready, slice(1)), "greedy", combiner=combiner)
        records.append(graphs.records)
    (each,) = [each for each in _workspaces() if each._kept]
    (workspace,) = each._kept.values()
    assert len(workspace._mixtures) == 1
    assert records[1] == records[2] < records[3] < records[4]


@pytest.mark.parametrize("seed", range(4))
@torch.inference_mode()
def test_rows_that_move_at_random_have_the_scores_of_steps_that_grow(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are repeated, reordered and dropped, unevenly, and become more; they forget tokens again."""
    ready, numbers = [prepare(0)], random.Random(seed)
    (grown,), (fixed,) = marians(ready), marians(ready)
    assert isinstance(grown, DeviceMarianScorer) and isinstance(fixed, DeviceMarianScorer)
    grown.prefill()
    with graph_double(monkeypatch) as graphs:
        fixed.prefill()
        owners, taken = list(range(5)), 0
        for step in range(12):
            most = 2 + (step > 5)
            stays = [n for n in dict.fromkeys(owners) if numbers.random() < 0.9] or owners[-1:]
            counts = {n: numbers.randint(1, most) for n in stays}
            moves = [
                numbers.choice([row for row, owner in enumerate(owners) if owner == n])
                for n in stays
                for _ in range(counts[n])
            ]
            owners = [owners[row] for row in moves]
            generator = torch.Generator().manual_seed(100 * seed + step)
            tokens = torch.randint(1, 58, (len(moves), numbers.randint(1, 2)), generator=generator)
            arguments = (torch.tensor(moves), tokens)
            torch.testing.assert_close(
                fixed.step_many(*arguments), grown.step_many(*arguments), rtol=1e-5, atol=1e-5
            )
            taken += tokens.shape[1]
            if step % 3 == 2:
                count = torch.full((len(moves),), numbers.randint(0, min(2, taken)))
                fixed.retract(count)
                grown.retract(count)
        assert fixed._alone._static is not None and fixed._alone._static._b == 3  # from 1 or 2
        assert 0 < graphs.records < graphs.replays


def test_sentences_of_a_batch_end_at_different_steps() -> None:
    """Or the test above would not move the grid."""
    lengths = {len(nbest[0].tokens) for nbest in decode(marians([prepare(0)]), "greedy")}
    assert len(lengths) >= 3 and max(lengths) > 8


@pytest.fixture
def whisper_of_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the CPU, in float64: the weights of the random one enlarge what rounding makes of a sum."""
    monkeypatch.setattr(LayerNorm, "forward", nn.LayerNorm.forward)  # its own computes in float32
    monkeypatch.setattr(openai_whisper, "WhisperTokenScorer", DeviceWhisperScorer)


@pytest.fixture(scope="module")
def backend() -> OpenAIWhisperBackend:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed_linear, "_packs", lambda *_: False)  # no dispatcher sees packed layers
        return OpenAIWhisperBackend(tiny().double(), "float32", 800, 1)


def whisper(backend: OpenAIWhisperBackend, features: EncoderOutput, keeps: bool = False) -> list[TokenScorer]:
    backend._decoder.attend = None  # the CPU's kernel, which no dispatcher sees
    scorer = backend.build_scorer(features, PROMPTS[: len(features)], keeps)
    assert isinstance(scorer, DeviceWhisperScorer)
    return [scorer]


PROMPTS = torch.tensor([[50258, 50259, 50359], [50258, 50261, 50359], [50258, 50260, 50359]])


def encoded(n: int, length: int, counts: bool = False, seed: int = 0) -> EncoderOutput:
    """What an encoder may give for ``n`` windows, with counts of padding where they are wanted."""
    generator = torch.Generator().manual_seed(seed)
    states = torch.randn(n, length, 32, generator=generator, dtype=torch.float64)
    log_counts = torch.zeros(n, length, dtype=torch.float64)
    log_counts[:, -6:], log_counts[0, -2:] = 3.0, -torch.inf
    return EncoderOutput(states, log_counts if counts else None)


WINDOWS = {
    "summarized padding": encoded(3, 70, counts=True),
    "summarized padding, in half precision": encoded(3, 70, counts=True),
    "short windows": encoded(3, 50),
    "whole windows": encoded(2, 1500),
}


@pytest.mark.usefixtures("whisper_of_a_card")
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(("summarized padding", "greedy"), ("summarized padding, in half precision", "beam")),
        *(("short windows", "beam"), ("whole windows", "greedy")),
    ],
)
@torch.inference_mode()
def test_windows_are_those_of_steps_that_grow(
    name: str, kind: str, backend: OpenAIWhisperBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counts of padding are a bias, or a feature of the keys."""
    monkeypatch.setattr(openai_whisper, "prefers_folding", lambda tensor: "half" in name)
    expected = decode(whisper(backend, WINDOWS[name]), kind)
    with graph_double(monkeypatch) as graphs:
        same(decode(whisper(backend, WINDOWS[name]), kind), expected)
        assert 0 < graphs.records < graphs.replays


def forbid_on_a_card(log_probs: Tensor, rows: Tensor) -> None:
    log_probs.masked_fill_(rows[:, None], -torch.inf)


@pytest.mark.usefixtures("whisper_of_a_card")
@pytest.mark.parametrize(("timestamps", "kind"), [(True, "beam"), (True, "greedy"), (False, "beam")])
@torch.inference_mode()
def test_the_rules_of_whisper_are_recorded_with_its_steps(
    timestamps: bool, kind: str, backend: OpenAIWhisperBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of later searches are equal, so they are replayed."""
    monkeypatch.setattr(whisper_rules, "_forbid", forbid_on_a_card)
    tokenizer = backend.dims.get_tokenizer(None, "transcribe")

    def run(seed: int) -> list[list[Candidate]]:
        rules = whisper_rules.whisper_logits_processors(tokenizer, timestamps)
        rules = [suppress([tokenizer.eot]), *rules]
        return search(whisper(backend, encoded(3, 50, seed=seed)), CONFIGS[kind], logits_processors=rules)

    expected = [run(seed) for seed in (1, 2)]
    with graph_double(monkeypatch) as graphs:
        for _ in range(2):  # in the first one buffers grow
            same(run(1), expected[0])
        records = graphs.records
        with knowing_steps(monkeypatch) as are_known:
            same(run(2), expected[1])
        assert graphs.records == records > 0
    assert all(are_known) and len(are_known) == (LENGTH - 2) * (kind == "beam")


@pytest.mark.usefixtures("whisper_of_a_card")
@torch.inference_mode()
def test_windows_that_are_read_after_the_search_stay(
    backend: OpenAIWhisperBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTIPHON_CUDA_GRAPHS", "eager")
    (scorer,) = whisper(backend, encoded(3, 50), keeps=True)
    assert isinstance(scorer, DeviceWhisperScorer)
    before = [pair.clone() for pair in scorer.windows()[0]]
    decode([scorer], "beam")
    torch.testing.assert_close(scorer.windows()[0], before)


class Operations(TorchDispatchMode):
    """Lists operations: names, shapes, numbers, and addresses of what was there before."""

    def __init__(self) -> None:
        super().__init__()
        self.listed: list[Any] = []
        self._made: dict[int, Tensor] = {}  # kept alive, so that no address is used twice

    def _describe(self, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [self._describe(part) for part in value]
        if not isinstance(value, Tensor):
            return repr(value)
        place = "new" if address(value) in self._made else value.data_ptr()
        return (value.shape, value.stride(), value.dtype, place)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.listed.append((str(func), self._describe(args), self._describe(list((kwargs or {}).items()))))
        known = [*map(address, tensors_of(args))]
        result = func(*args, **(kwargs or {}))
        made = [tensor for tensor in tensors_of(result) if address(tensor) not in known]
        self._made |= {address(tensor): tensor for tensor in made}
        return result


@contextmanager
def listed_steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[int, list[Any]]]:
    """The operations of every eager step, by the graph that it would be."""
    steps: dict[int, list[Any]] = {}

    def run(self: StepGraph, step: Step) -> None:
        with Operations() as operations:
            step()
        steps.setdefault(id(self), []).append((self, operations.listed))

    with monkeypatch.context() as patch:
        patch.setattr(StepGraph, "run", run)
        patch.setenv("ANTIPHON_CUDA_GRAPHS", "eager")
        yield steps


@pytest.mark.usefixtures("whisper_of_a_card")
@pytest.mark.parametrize("what", ["marians", "whisper"])
@torch.inference_mode()
def test_steps_of_a_bucket_are_the_same_operations_on_the_same_buffers(
    what: str, backend: OpenAIWhisperBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those of the next search. Numbers are compared, too: one of the host would be one for ever."""
    with listed_steps(monkeypatch) as steps:
        if what == "marians":
            ready = [prepare(seed) for seed in range(2)]
            for part in (slice(3), slice(2, 5)):
                decode(marians(ready, part), "beam")
        else:
            for seed in (1, 2):
                decode(whisper(backend, encoded(2, 50, seed=seed)), "greedy")
    assert sum(len(each) > 1 for each in steps.values()) >= 3
    for each in steps.values():
        (_, first), *others = each
        assert len(first) > 30
        assert all(listed == first for _, listed in others)


@contextmanager
def switched(monkeypatch: pytest.MonkeyPatch, mode: str) -> Iterator[None]:
    """Within the block steps run in another mode; the double's own comes back after it."""
    with monkeypatch.context() as patch:
        patch.setenv("ANTIPHON_CUDA_GRAPHS", mode)
        yield


def test_a_buffer_that_is_replaced_is_found_out(
    graphs: type[GraphDouble], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The double is as strict as a graph: what is right eagerly, by attributes, is wrong when replayed."""
    start_step = StaticBeamCache.start_step

    def replace_the_column(self: StaticBeamCache) -> None:
        self._column = self._column.clone()
        start_step(self)

    with switched(monkeypatch, "off"):
        expected = decode(marians([prepare(0)]), "beam")
    monkeypatch.setattr(StaticBeamCache, "start_step", replace_the_column)
    with switched(monkeypatch, "eager"):
        same(decode(marians([prepare(0)]), "beam"), expected)
    batch_sizes._free_cached()
    with pytest.raises(AssertionError):
        same(decode(marians([prepare(0)]), "beam"), expected)


@pytest.mark.parametrize("fault", ["refused", "wrong"])
def test_where_recording_fails_one_line_says_so_and_texts_stay(
    fault: str, graphs: type[GraphDouble], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def replay(self: GraphDouble) -> None:
        if fault == "refused":
            raise RuntimeError("CUDA error: operation not permitted\nwhen stream is capturing")

    monkeypatch.setattr(GraphDouble, "replay", replay)  # or does nothing
    found = [decode(marians([prepare(0)]), "beam") for _ in range(2)]
    with switched(monkeypatch, "off"):
        expected = decode(marians([prepare(0)]), "beam")
    for each in found:
        same(each, expected)
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "going on without graphs" in line and "\n" not in line


def test_a_first_replay_may_fall_on_the_other_side_of_a_threshold_only() -> None:
    """A step forbids all but a few tokens: what differs is counted among those."""
    values = torch.full((2, 3000), -torch.inf)
    values[0, :20], values[1] = -torch.arange(20.0), torch.nan
    for token, other in ((19, -torch.inf), (2000, -9.0)):
        near = values.clone()
        near[0, token] = other
        assert step_graph._is_close(values, near) and step_graph._is_close(near, values)
    nothing, fewer, without_best, further = (values.clone() for _ in range(4))
    nothing[0], fewer[0, 10:] = -torch.inf, -torch.inf
    without_best[0, 0], further[0, 3] = -torch.inf, -5.0
    unbounded, not_a_number = values.clone(), values.clone()
    unbounded[0, 3], not_a_number[0, 30] = torch.inf, torch.nan
    for wrong in (nothing, fewer, without_best, further, unbounded, not_a_number):
        assert not step_graph._is_close(values, wrong)
        assert not step_graph._is_close(wrong, values)


def test_buffers_in_use_are_not_shared(graphs: type[GraphDouble], monkeypatch: pytest.MonkeyPatch) -> None:
    """A search within a search of the same bucket runs on buffers of its own, which are not recorded."""
    ready = [prepare(0)]
    parts, inner = (slice(2), slice(2, 4)), []

    def search_another(log_probs: Tensor, history: History) -> Tensor:
        if history.step == 5:
            records = graphs.records
            inner.append(decode(marians(ready, parts[1]), "beam"))
            assert graphs.records == records
        return log_probs

    outer = decode(marians(ready, parts[0]), "beam", search_another)
    with switched(monkeypatch, "off"):
        same(outer, decode(marians(ready, parts[0]), "beam"))
        same(inner[0], decode(marians(ready, parts[1]), "beam"))


def test_buffers_forget_the_nan_of_the_search_before(
    graphs: type[GraphDouble], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or one sentence with NaN would end every later search of its size."""
    append = StaticBeamCache.append

    def overflow(self: StaticBeamCache, layer: int, keys: Tensor, values: Tensor) -> Any:
        return append(self, layer, keys * (torch.nan if self.steps == 4 else 1), values)

    with monkeypatch.context() as patch:
        patch.setattr(StaticBeamCache, "append", overflow)
        patch.setenv("ANTIPHON_CUDA_GRAPHS", "eager")
        with pytest.raises(ModelError, match="found NaN"):
            decode(marians([prepare(0)]), "beam")
    searched = decode(marians([prepare(0)]), "beam")
    with switched(monkeypatch, "off"):
        same(searched, decode(marians([prepare(0)]), "beam"))


@pytest.mark.usefixtures("nothing_kept")
def test_buffers_are_free_with_the_search_and_released_where_memory_runs_out(
    graphs: type[GraphDouble], monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = [prepare(0)]
    gc.disable()
    try:
        for _ in range(2):  # the first grows the buffers, the second records what is as short as they were
            decode(marians(ready), "greedy")
        records = graphs.records
        decode(marians(ready), "greedy")
    finally:
        gc.enable()
    assert graphs.records == records  # no circle of references had kept the first search
    kept = [each for each in _workspaces() if each._kept]
    assert kept
    batch_sizes._free_cached()
    assert not any(each._kept for each in kept)


@pytest.mark.usefixtures("nothing_kept")
def test_buffers_used_longest_ago_are_dropped_first(
    graphs: type[GraphDouble], monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = [prepare(0)]
    for sentences in (1, 2, 1):
        decode(marians(ready, slice(sentences)), "greedy")
    (kept,) = [each._kept for each in _workspaces() if each._kept]
    assert [bucket.n for bucket in kept] == [2, 1]
    room = sum(workspace.nbytes for workspace in kept.values()) / kept_workspaces.KEPT_SHARE
    monkeypatch.setattr(kept_workspaces, "_memory_of", lambda device: 1.5 * room)
    decode(marians(ready, slice(1)), "beam")
    assert [(bucket.n, bucket.b) for bucket in kept][-2:] == [(1, 1), (1, 3)]
    assert sum(workspace.nbytes for workspace in kept.values()) <= 1.5 * room * kept_workspaces.KEPT_SHARE


@pytest.mark.usefixtures("nothing_kept")
def test_buffers_count_in_the_budget_of_models_and_go_before_them(graphs: type[GraphDouble]) -> None:
    """And with their model, when that goes."""
    ready = [Seq2SeqModel(plain_marian(0), "digest", "marian")]
    for sentences in (1, 4):
        decode(marians(ready, slice(sentences)), "greedy")
    n_bytes = kept_workspaces.KEPT_BUFFERS.count_bytes("cpu")
    (each,) = [each for each in _workspaces() if each._kept]
    largest = max(workspace.nbytes for workspace in each._kept.values())
    assert n_bytes == sum(workspace.nbytes for workspace in each._kept.values()) > largest
    cache = ModelCache(lambda _: 800 + largest, lambda value: {"cpu": 400})
    cache.count_buffers(kept_workspaces.KEPT_BUFFERS)
    cache.get("a", object)
    cache.get("b", object)
    assert cache.keys() == ("a", "b") and kept_workspaces.KEPT_BUFFERS.count_bytes("cpu") == largest
    each._kept[next(iter(each._kept))].user = weakref.ref(cache)  # in use: it stays, and a model goes
    cache.get("c", object)
    assert cache.keys() == ("b", "c") and kept_workspaces.KEPT_BUFFERS.count_bytes("cpu") == largest
    decode(marians(ready), "greedy")
    del ready[:], each
    gc.collect()
    assert kept_workspaces.KEPT_BUFFERS.count_bytes("cpu") == 0


def _workspaces() -> list[Workspaces]:
    return [each for each in gc.get_objects() if type(each) is Workspaces]


def test_a_draft_model_takes_fixed_steps_and_forgets_them(
    graphs: type[GraphDouble], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tokens are forgotten and written again; the target scores several in a pass, as before."""

    def draft_and_target() -> list[list[Candidate]]:
        (target,), (draft,) = marians([prepare(0)]), marians([prepare(1)])
        config, guidance = CONFIGS["greedy"], Guidance(draft=Draft(draft, 3))
        return search([target], config, logits_processors=RULES, guidance=guidance)

    found = draft_and_target()
    assert 0 < graphs.records < graphs.replays
    with switched(monkeypatch, "off"):
        same(found, draft_and_target())
        same(found, decode(marians([prepare(0)]), "greedy"))


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("name", "kind"), [*((name, "beam") for name in MIXTURES), ("linear", "greedy"), ("linear", "samples")]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_replays_on_a_card_are_the_steps_themselves(
    dtype: torch.dtype,
    name: str,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """On what the search before has recorded, too."""
    ready = [prepare.__wrapped__(seed) for seed in range(3 if name == "negative evidence" else 2)]
    inputs = on_card(tiny_models.sources(ready[0].model, 5))
    for each in ready:
        each.model.to("cuda", dtype)
    by_mode, combiners = {}, MIXTURES[name]() * 2
    for mode in ("eager", "on"):
        monkeypatch.setenv("ANTIPHON_CUDA_GRAPHS", mode)
        batch_sizes._free_cached()
        by_mode[mode] = [
            decode([each.build_scorer(**inputs) for each in ready], kind, combiner=combiner)
            for combiner in combiners
        ]
    for replayed, eager in zip(by_mode["on"], by_mode["eager"], strict=True):
        same(replayed, eager, 1e-5 if dtype == torch.float32 else 0.05)
    assert not caplog.records
