"""What ensembles cost on this CPU.

Marian-size members (6 + 6 layers, width 512, random weights) decode a batch of 8 with beam 5 to a fixed
length, one thread. Every number is CPU time of this thread, as a ratio to transformers' ``generate`` of ONE
member; the systems take turns within a round, and the median over rounds is shown with its quartiles.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import torch

from benchmarks.common.sections import Result, option
from benchmarks.gpu.random_models import make_marian
from components.compute.layers.kernels import Arithmetic
from components.decoding.config import SearchConfig
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.searches.search import search
from components.ensembling.token_level.combiners import LinearInterpolation, LogLinearInterpolation
from components.ensembling.token_level.fused_interpolation import mix_linearly, mix_log_linearly

PAGE = "speed-ensembles"
BATCH, BEAM, SOURCE = 8, 5, 24
OPTIONS = {
    "rounds": option(5),
    "length": option(24, "tokens decoded"),
    "vocabulary": option(32_000),
    "wide": option(60_000, "vocabulary of the combining table"),
    "steps": option(15, "repetitions of the combining table"),
}


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """The cost of combining, then that of whole systems."""
    torch.set_num_threads(1)
    with torch.inference_mode():
        yield Result("combining", {"vocabulary": options.wide, "rows": time_combination(options)})
        times = measure_steps(systems_of(options), options.rounds)
        setup = {
            "capability": torch.backends.cpu.get_cpu_capability(),
            **{"batch": BATCH, "beam": BEAM, "source": SOURCE, "length": options.length},
            **{"vocabulary": options.vocabulary, "rounds": options.rounds},
        }
        yield Result("systems", {**setup, "systems": summarize(times), "calls": calls_of_gate(options)})


class Step:
    """A gate that takes one member at first and another after half of the sentence."""

    lagged = True

    def __init__(self, n: int, turn: int) -> None:
        self.n, self.turn = n, turn

    def fits(self, n_members: int) -> bool:
        return n_members == self.n

    def __call__(self, features: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        weights = torch.zeros(self.n, features.shape[1])
        weights[0 if steps[0] < self.turn else 1] = 1.0
        return weights


def measure_steps(systems: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """CPU seconds of every system in every round; one round before that does not count."""
    times: dict[str, list[float]] = {name: [] for name in systems}
    for number in range(rounds + 1):
        for name, run in systems.items():
            begin = time.thread_time()
            run()
            if number:
                times[name].append(time.thread_time() - begin)
    return times


def systems_of(options: argparse.Namespace) -> dict[str, Callable[[], object]]:
    """Name -> one decoding of the batch."""
    plain = [make_marian(seed, vocabulary=options.vocabulary) for seed in range(4)]
    ids = torch.randint(1, options.vocabulary - 2, (BATCH, SOURCE))
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    config = SearchConfig(beam_size=BEAM, max_new_tokens=options.length)

    def ready(arithmetic: Arithmetic) -> list[Seq2SeqModel]:
        return [
            Seq2SeqModel(copy.deepcopy(model), "digest", str(n), arithmetic) for n, model in enumerate(plain)
        ]

    packed, half, small = ready("float32"), ready("bfloat16"), ready("int8")
    plain_half = copy.deepcopy(plain[0]).bfloat16()

    def ours(models: list[Seq2SeqModel], combine: Any = None) -> Callable[[], object]:
        return lambda: search([model.build_scorer(**inputs) for model in models], config, combiner=combine)

    settings = {"num_beams": BEAM, "max_new_tokens": options.length, "do_sample": False}
    return {
        "generate": lambda: plain[0].generate(**inputs, **settings),
        "generate, bfloat16": lambda: plain_half.generate(**inputs, **settings),
        "one, float32": ours(packed[:1]),
        "two, float32": ours(packed[:2], LinearInterpolation([0.5, 0.5])),
        "four, float32": ours(packed, LinearInterpolation([0.25] * 4)),
        "four, float32, log-linear": ours(packed, LogLinearInterpolation([0.25] * 4)),
        "one, bfloat16": ours(half[:1]),
        "two, bfloat16": ours(half[:2], LinearInterpolation([0.5, 0.5])),
        "four, bfloat16": ours(half, LinearInterpolation([0.25] * 4)),
        "one, int8": ours(small[:1]),
        "four, int8": ours(small, LinearInterpolation([0.25] * 4)),
        "gate, one of four": ours(packed, LinearInterpolation(Step(4, options.length))),
        "gate, one of four, turns half way": ours(packed, LinearInterpolation(Step(4, options.length // 2))),
    }


def time_combination(options: argparse.Namespace) -> list[dict[str, Any]]:
    """The share of combining in the work of its members at a vocabulary of ``options.wide``."""
    ready = Seq2SeqModel(make_marian(0, vocabulary=options.wide), "digest", "one", "float32")
    return [row for members in (2, 4) for row in combining_of(members, ready, options)]


def combining_of(members: int, ready: Seq2SeqModel, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Milliseconds of a step, and percent of it, for each of the combinations."""
    rows = BATCH * BEAM
    ids = torch.randint(1, options.wide - 2, (BATCH, SOURCE))
    scores = [4 * torch.randn(rows, options.wide) for _ in range(members)]
    even = torch.full((members, rows), 1 / members)
    room = torch.empty_like(scores[0])
    member = ready.build_scorer(input_ids=ids, attention_mask=torch.ones_like(ids))
    member.prefill()
    ones = torch.ones(rows, dtype=torch.long)
    member.step(torch.arange(BATCH).repeat_interleave(BEAM), ones)
    runs: dict[str, Callable[[], object]] = {
        "member": lambda: member.step(torch.arange(rows), ones),
        "own": lambda: torch.log_softmax(scores[0], dim=-1, out=room),
        "linear": lambda: mix_linearly(scores, even),
        "log-linear": lambda: mix_log_linearly(scores, even),
    }
    ms = {name: 1e3 * statistics.median(t) for name, t in measure_steps(runs, options.steps).items()}
    base = members * (ms["member"] + ms["own"])
    return [
        {
            **{"members": members, "combination": name, "member": ms["member"], "log_softmax": ms["own"]},
            "mixture": ms[name],
            "combining": 100 * (ms[name] - members * ms["own"]) / base,
            "whole": 100 * ms[name] / base,
        }
        for name in ("linear", "log-linear")
    ]


def summarize(times: dict[str, list[float]]) -> dict[str, dict[str, Any]]:
    """System -> median seconds and ratio to ``generate`` with quartiles; of a gate that to one member."""
    table = {}
    for name, each in times.items():
        ratios = [a / b for a, b in zip(each, times["generate"], strict=True)]
        quartiles = ratios * 3 if len(ratios) < 2 else statistics.quantiles(ratios, n=4)
        row = dict(zip(("low", "ratio", "high"), quartiles, strict=True))
        table[name] = {"median": statistics.median(each), **row, "seconds": each}
        if name.startswith("gate"):
            single = [a / b for a, b in zip(each, times["one, float32"], strict=True)]
            table[name]["of_one"] = statistics.median(single)
    return table


def calls_of_gate(options: argparse.Namespace) -> list[int]:
    """Forward calls of each member of the gated system."""
    model = Seq2SeqModel(make_marian(0, vocabulary=1000), "digest", "one")
    ids = torch.randint(1, 900, (BATCH, SOURCE))
    members = [model.build_scorer(input_ids=ids, attention_mask=torch.ones_like(ids)) for _ in range(4)]
    calls: Counter[int] = Counter()
    config = SearchConfig(beam_size=BEAM, max_new_tokens=options.length)
    search(members, config, combiner=LinearInterpolation(Step(4, options.length // 2)), calls=calls)
    return [calls[m] for m in range(4)]
