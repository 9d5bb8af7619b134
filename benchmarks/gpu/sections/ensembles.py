"""Ensembles of Marian size, random weights: what members cost against transformers' ``generate`` of one."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from benchmarks.gpu.context import DTYPES, Context, Timed
from benchmarks.gpu.random_models import count_bytes, make_marian, random_gate
from benchmarks.gpu.row import Row, Value
from components.decoding.config import SearchConfig
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.searches.search import search
from components.ensembling.token_level.combiners import LinearInterpolation, LogLinearInterpolation

BEAM, SOURCE, STEPS = 5, 24, 32


@torch.inference_mode()
def measure(context: Context) -> Iterator[Row]:
    """One, two and four members at two batches."""
    for dtype in context.size(("bfloat16", "float32"), ("float32",)):
        shape = context.size({}, {"width": 16, "layers": 1, "vocabulary": 100})
        plain = [make_marian(seed, context.device, DTYPES[dtype], **shape) for seed in range(4)]
        other = make_marian(4, context.device, DTYPES[dtype], **{**shape, "layers": context.size(4, 2)})
        for batch in context.size((8, 64), (2,)):
            yield from _measure_batch(context, [*plain, other], batch, dtype)


class OneOf:
    """A gate that always takes the first of ``n`` members."""

    lagged = True

    def __init__(self, n: int) -> None:
        self.n = n

    def fits(self, n_members: int) -> bool:
        """Whether it is for so many."""
        return n_members == self.n

    def __call__(self, features: Tensor, steps: Tensor) -> Tensor:
        """Weights (M, R)."""
        weights = torch.zeros(self.n, features.shape[1], device=features.device)
        weights[0] = 1.0
        return weights


def _measure_batch(context: Context, plain: list[Any], batch: int, dtype: str) -> Iterator[Row]:
    steps = context.size(STEPS, 4)
    numbers = torch.Generator().manual_seed(0)
    ids = torch.randint(1, plain[0].config.vocab_size - 2, (batch, SOURCE), generator=numbers)
    inputs = {"input_ids": ids.to(context.device), "attention_mask": torch.ones_like(ids).to(context.device)}
    config = SearchConfig(beam_size=BEAM, max_new_tokens=steps)
    # Copies: to be prepared for our search changes a model.
    ready = [Seq2SeqModel(copy.deepcopy(model), "digest", str(n)) for n, model in enumerate(plain)]

    def ours(models: Sequence[Seq2SeqModel], combiner: Any = None) -> Callable[[], object]:
        return lambda: search([model.build_scorer(**inputs) for model in models], config, combiner=combiner)

    settings = {"num_beams": BEAM, "max_new_tokens": steps, "do_sample": False}
    calls: dict[str, tuple[int, Callable[[], object]]] = {
        "transformers generate, one": (1, lambda: plain[0].generate(**inputs, **settings)),
        "one": (1, ours(ready[:1])),
        "two, linear": (2, ours(ready[:2], LinearInterpolation((0.5, 0.5)))),
        "four, linear": (4, ours(ready[:4], LinearInterpolation((0.25,) * 4))),
        "four, log-linear": (4, ours(ready[:4], LogLinearInterpolation((0.25,) * 4))),
        "four, gate": (4, ours(ready[:4], LinearInterpolation(random_gate(4)))),
        "gate, one of four": (1, ours(ready[:4], LinearInterpolation(OneOf(4)))),
        "two architectures, linear": (2, ours([ready[0], ready[4]], LinearInterpolation((0.5, 0.5)))),
    }
    # What a decoding step reads.
    weights = steps * (count_bytes(plain[0].model.decoder.layers) + count_bytes(plain[0].lm_head))
    systems = [Timed(name, call, bytes=n * weights, dtype=dtype) for name, (n, call) in calls.items()]
    beside = systems[-1]
    systems += [timed.with_switches("graphs") for timed in systems[1:]]
    systems += [beside.with_switches("streams"), beside.with_switches("graphs", "streams")]
    setting: dict[str, Value] = {"dtype": dtype, "batch": batch, "beam": BEAM, "steps": steps}
    rows = list(context.time("ensembles", systems, setting, context.size(5, 1)))
    base = rows[0].median
    for row in rows:
        values: dict[str, Value] = {"ms_a_step": 1e3 * row.median / steps, "of_generate": row.median / base}
        if context.on_card and not {"graphs", "streams"} & row.setting.keys():
            values["kernels_a_step"] = count_kernels(calls[row.system][1]) / steps
        yield row.model_copy(update={"values": values})


def count_kernels(call: Callable[[], object]) -> int:
    """Kernels of one call, the encoder's among them, by torch's profiler."""
    with profile(activities=[ProfilerActivity.CUDA]) as events:
        call()
        torch.cuda.synchronize()
    return sum(event.device_type == torch.autograd.DeviceType.CUDA for event in events.events() or [])
