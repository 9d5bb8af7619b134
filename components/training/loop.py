"""The training loop."""

from __future__ import annotations

import itertools
import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from components.errors import AntiphonError, ModelError
from components.training import batches, checkpoint, dev, model, objective, pairs, vocabulary
from components.training.checkpoint import State
from components.training.config import TrainingConfig

Report = Callable[[dict[str, Any]], None]


def train(config: TrainingConfig, out: Path, report: Report = lambda row: None) -> State:
    """Train until a budget is spent or dev BLEU stops rising; resume where ``out`` says it stopped.

    ``out`` gets ``tokenizer/``, ``checkpoints/``, ``best/`` and ``final/`` (folders that transformers
    loads) and ``metrics.jsonl``. ``report`` sees every row of the metrics as it is written. Raises
    ModelError when the loss is not finite.
    """
    out.mkdir(parents=True, exist_ok=True)
    run = Run(config, out, report)
    started = time.monotonic() - run.state.seconds
    for batch in run.remaining():
        run.update(batch)
        run.state.seconds = time.monotonic() - started
        spent = config.max_minutes is not None and run.state.seconds > 60 * config.max_minutes
        last = spent or run.state.step >= config.max_steps
        if last or run.state.step % config.eval_every == 0:
            run.evaluate()
        if last or run.state.worse >= config.patience:
            break
    run.finish()
    return run.state


class Run:
    """One run: model, optimiser, data and counters."""

    def __init__(self, config: TrainingConfig, out: Path, report: Report) -> None:
        self.config, self.out, self.report = config, out, report
        self.device = torch.device("cpu" if config.device == "auto" else config.device)
        text, self.dev_pairs = pairs.read(config.data, config.limit), pairs.read(config.dev)
        stored = out / "tokenizer" / "source.spm"
        spm = stored.read_bytes() if stored.exists() else None
        if spm is None:
            spm = vocabulary.train(itertools.chain(*text), config.vocabulary)
        self.tokenizer = vocabulary.save(
            spm, out / "tokenizer", config.source_language, config.target_language
        )
        self.examples = pairs.encode(text, spm, config.max_length)
        self.dev_examples = pairs.encode(self.dev_pairs, spm, config.max_length)
        self.lengths = [example.length for example in self.examples]
        self.model: Any = model.build(config, config.vocabulary).to(self.device)
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(),
            lr=config.learning_rate,
            betas=(0.9, 0.98),
            weight_decay=config.weight_decay,
            fused=True,
        )
        torch.manual_seed(config.seed)
        self.losses: list[float] = []
        done = checkpoint.steps(out / "checkpoints")
        self.state = checkpoint.restore(done[-1], self.model, self.optimiser) if done else State()

    def remaining(self) -> Iterator[list[int]]:
        """Batches from where the run stands, without end."""
        while True:
            plan = batches.epoch_plan(
                self.lengths, self.config.batch_tokens, self.config.seed, self.state.epoch
            )
            while self.state.position < len(plan):
                self.state.position += 1
                yield plan[self.state.position - 1]
            self.state.epoch, self.state.position = self.state.epoch + 1, 0

    def update(self, rows: list[int]) -> None:
        """One optimiser step on one batch."""
        self.model.train()
        state, config = self.state, self.config
        state.step += 1
        for group in self.optimiser.param_groups:
            group["lr"] = objective.learning_rate(state.step, config)
        batch = batches.collate([self.examples[i] for i in rows], self.model.config.pad_token_id)
        with objective.autocast(self.device, config.dtype):
            loss, count = objective.loss(self.model, batch.to(self.device), config.label_smoothing)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), config.clip)
        if not math.isfinite(loss.item()) or not math.isfinite(norm.item()):
            raise ModelError(
                f"step {state.step}: expected a finite loss and gradient, found loss {loss.item()}, gradient "
                f"norm {norm.item()}; lower learning_rate {config.learning_rate} or use dtype float32"
            )
        self.optimiser.step()
        self.optimiser.zero_grad()
        state.tokens += count
        self.losses.append(loss.item())

    def evaluate(self) -> None:
        """Score the model on dev, log it, write a checkpoint, and the best model if it is that."""
        state = self.state
        bleu = dev.dev_bleu(self.model, self.tokenizer, self.dev_pairs[: self.config.eval_sentences])
        improved = bleu > state.best_bleu
        state.worse = 0 if improved else state.worse + 1
        if improved:
            state.best_bleu, state.best_step = bleu, state.step
            self.export(self.out / "best")
        row = {
            "step": state.step,
            "epoch": state.epoch,
            "minutes": round(state.seconds / 60, 3),
            "train_loss": sum(self.losses) / max(1, len(self.losses)),
            "dev_loss": dev.dev_loss(self.model, self.dev_examples, self.config.batch_tokens),
            "dev_bleu": bleu,
            "learning_rate": objective.learning_rate(state.step, self.config),
            "tokens": state.tokens,
            "best_step": state.best_step,
        }
        self.losses = []
        with (self.out / "metrics.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(row) + "\n")
        checkpoint.save(
            self.out / "checkpoints", self.model, self.optimiser, state, max(2, self.config.average)
        )
        self.report(row)

    def export(self, folder: Path) -> None:
        """Write a folder that transformers loads: float32 weights, configurations, tokenizer."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def finish(self) -> None:
        """Average the last checkpoints; ``final/`` is the average or the best, whichever dev prefers."""
        last = checkpoint.steps(self.out / "checkpoints")[-self.config.average :]
        checkpoint.load_weights(self.model, checkpoint.average(last))
        bleu = dev.dev_bleu(self.model, self.tokenizer, self.dev_pairs[: self.config.eval_sentences])
        if bleu < self.state.best_bleu:
            best = type(self.model).from_pretrained(self.out / "best")
            self.model.load_state_dict(best.state_dict())
        self.export(self.out / "final")
        self.report({"averaged": len(last), "dev_bleu": bleu, "best_bleu": self.state.best_bleu})


def main(arguments: list[str]) -> int:
    """Train from a JSON configuration: ``python -m components.training.loop CONFIG.json OUT``."""
    torch.set_num_threads(1)
    config = TrainingConfig.model_validate_json(Path(arguments[0]).read_text(encoding="utf-8"))
    try:
        train(config, Path(arguments[1]), lambda row: print(json.dumps(row), flush=True))  # noqa: T201
    except AntiphonError as error:
        print(error, flush=True)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    import sys

    raise SystemExit(main(sys.argv[1:]))
