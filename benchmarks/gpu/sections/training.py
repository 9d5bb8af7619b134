"""Updates of the training loop against a plain loop of torch: tokens a second, and the share of the peak."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu.context import Context, Timed
from benchmarks.gpu.random_models import make_marian
from benchmarks.gpu.row import Row, Value
from components.training.config import TrainingConfig
from components.training.examples import batches
from components.training.loop.cross_entropy import label_smoothing_loss
from components.training.loop.trainer import Trainer

LENGTH, BATCH_TOKENS, UPDATES = 32, 8192, 20


def measure(context: Context) -> Iterator[Row]:
    """A small and a wide translator in bfloat16."""
    for width in context.size((256, 1024), (16,)):
        with tempfile.TemporaryDirectory() as folder:
            yield from _measure_width(context, width, Path(folder))


class RandomPairs:
    """A learner of random sentence pairs of one length; implements what :meth:`Trainer.update` needs.

    Args:
        model: A Marian on its device.
        count: Pairs.
    """

    score_name = "none"

    def __init__(self, model: Any, count: int) -> None:
        self.model, self._pad = model, model.config.pad_token_id
        numbers = torch.Generator().manual_seed(0)
        ids = torch.randint(1, self._pad, (count, 2, LENGTH - 1), generator=numbers).tolist()
        self._examples = [batches.Example((*source, 0), (*target, 0)) for source, target in ids]
        self.lengths = [LENGTH] * count

    def loss(self, rows: Sequence[int]) -> tuple[Tensor, int]:
        """The mean loss of a batch, and its tokens."""
        batch = batches.collate([self._examples[i] for i in rows], self._pad).to(self.model.device)
        return label_smoothing_loss(self.model, batch, 0.1)

    def dev_loss(self) -> float:
        """Nothing is evaluated here."""
        return 0.0

    def dev_score(self) -> float:
        """Nothing is evaluated here."""
        return 0.0

    def export(self, folder: Path) -> None:
        """Nothing is kept."""


def _measure_width(context: Context, width: int, folder: Path) -> Iterator[Row]:
    tokens, updates = context.size(BATCH_TOKENS, 2 * LENGTH), context.size(UPDATES, 1)
    layers, vocabulary = context.size(6, 1), context.size(16000, 100)

    def build() -> Any:
        return make_marian(
            0, context.device, torch.float32, width=width, layers=layers, vocabulary=vocabulary
        ).train()

    learner = RandomPairs(build(), tokens // LENGTH)
    config = TrainingConfig(device=context.device, dtype="bfloat16", batch_tokens=tokens)
    trainer = Trainer(config, folder, lambda row: None, lambda *_: learner)
    rows = list(range(tokens // LENGTH))
    plain = _plain_loop(build(), learner, rows, compiled=False)
    systems: dict[str, Callable[[], object]] = {"ours": lambda: trainer.update(rows), "plain loop": plain}
    if context.on_card:
        compiled = _plain_loop(build(), learner, rows, compiled=True)
        try:
            compiled()
            systems["plain loop, compiled"] = compiled
        except Exception as error:  # whatever a compiler lacks; the other rows stand without it
            print(f"compiled: {type(error).__name__}: {str(error)[:200]}", file=sys.stderr)
    parameters = sum(p.numel() for p in learner.model.parameters())
    flops = 6.0 * updates * tokens * parameters  # source and target tokens pass half of the layers each
    timed = [
        Timed(name, lambda call=call: [call() for _ in range(updates)], flops=flops)
        for name, call in systems.items()
    ]
    setting: dict[str, Value] = {"width": width, "tokens": tokens, "dtype": "bfloat16", "updates": updates}
    for row in context.time("training", timed, setting, context.size(5, 1)):
        yield row.model_copy(update={"values": {"tokens_a_second": updates * tokens / row.median}})


def _plain_loop(model: Any, data: RandomPairs, rows: list[int], *, compiled: bool) -> Callable[[], object]:
    """One update as a few lines of torch: no checks, no schedule, the batch already on the device."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    examples = [data._examples[i] for i in rows]
    batch = batches.collate(examples, model.config.pad_token_id).to(model.device)
    forward = torch.compile(model) if compiled else model

    def update() -> None:
        with torch.autocast(model.device.type, dtype=torch.bfloat16):
            out = forward(
                input_ids=batch.source,
                attention_mask=batch.mask,
                decoder_input_ids=batch.inputs,
                use_cache=False,
            )
            loss = torch.nn.functional.cross_entropy(out.logits.flatten(0, 1).float(), batch.labels.flatten())
        torch.autograd.backward(loss)
        optimizer.step()
        optimizer.zero_grad()

    return update
