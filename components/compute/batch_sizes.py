"""How many items are computed together: what was set or what fits, halved where memory runs out.

The texts that a component gives do not depend on it; the last digits of their scores may, as products of
other shapes are added up in another order.
"""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

from components.compute.profiling import note_batch_size
from components.errors import ModelError, to_one_line

BatchSize = int | Literal["auto"]
AUTO: Literal["auto"] = "auto"
AT_MOST = 256
"""Items of a batch that ``auto`` chooses: above it a device is busy and only waits grow."""
SHARE = 0.5
"""Of a device's free memory that a batch may take by estimate; activations and fragments need the rest."""
T = TypeVar("T")
R = TypeVar("R")
_MESSAGES = (
    "out of memory",  # CUDA, MPS and CTranslate2
    "can't allocate memory",  # torch on the CPU
    "not enough memory",
    "cublas_status_alloc_failed",
)
_log = logging.getLogger("antiphon.memory")
_RESERVES: list[Callable[[], None]] = []


def release_on_shortage(release: Callable[[], None]) -> Callable[[], None]:
    """Have ``release`` called whenever memory ran out: it lets go of what can be made again."""
    _RESERVES.append(release)
    return release


class ItemTooLargeError(ModelError):
    """One item alone needs more memory than there is; ``reason`` is a short class of the fault."""

    reason = "out of memory"


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory ran out, in torch or in a library below it."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # torch's
        return True
    return isinstance(error, RuntimeError) and any(text in str(error).lower() for text in _MESSAGES)


class BatchLimit:
    """The largest batch that memory has allowed so far; a component keeps one for all of its calls.

    Args:
        size: items to begin with.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def map(self, compute: Callable[[list[T]], Sequence[R]], items: Sequence[T]) -> list[R]:
        """Compute items in batches of ``size``; where memory runs out, half as many from then on.

        Args:
            compute: a batch -> a result per item; it may be called again with a part of the same batch.
            items: in order.

        Raises:
            ItemTooLargeError: memory runs out for one item alone.
        """
        results: list[R] = []
        while len(results) < len(items):
            batch = list(items[len(results) : len(results) + self.size])
            computed = self._try(compute, batch)
            if computed is not None:
                results += computed
        return results

    def _try(self, compute: Callable[[list[T]], Sequence[R]], batch: list[T]) -> Sequence[R] | None:
        """Return the results of a batch; None where memory ran out, with a smaller ``size``."""
        try:
            return compute(batch)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            detail = to_one_line(error, 120)
        _free_cached()  # outside of the handler: its traceback holds what the batch had allocated
        if len(batch) == 1:
            raise ItemTooLargeError(
                f"expected memory for one item, found too little ({detail}): use a smaller model, beam or "
                "dtype"
            )
        self.size = len(batch) // 2
        note_batch_size(self.size)
        _log.warning("memory ran out with %d at once; going on with %d", len(batch), self.size)
        return None


def _free_cached() -> None:
    torch = sys.modules.get("torch")
    on_card = torch is not None and torch.cuda.is_available()
    if on_card:
        gc.collect()
    for release in _RESERVES:
        release()
    if torch is not None and on_card:
        torch.cuda.empty_cache()


def choose_batch_size(size: BatchSize, usual: int, device: str, item_bytes: Callable[[], int]) -> int:
    """Return the number that is set; for ``auto`` what fits the free memory of a GPU, on a CPU ``usual``.

    On a CPU more rows gain nothing.

    Args:
        size: as set.
        usual: the number for a CPU.
        device: where it is computed: cpu, cuda:0 ...
        item_bytes: what an item keeps in memory at most.
    """
    if size != AUTO:
        return size
    if not device.startswith("cuda"):
        return usual
    import torch  # noqa: PLC0415 - settings import this module

    free, _ = torch.cuda.mem_get_info(torch.device(device))
    return fit_batch(int(free * SHARE), item_bytes())


def fit_batch(memory: int, item: int) -> int:
    """Return the largest power of two of items of ``item`` bytes that ``memory`` bytes hold: 1 to AT_MOST."""
    count = max(1, min(memory // max(item, 1), AT_MOST))
    return 1 << (int(count).bit_length() - 1)


def row_bytes(config: Any, positions: int, itemsize: int) -> int:
    """Return bytes that a row of a search keeps at most, by a model's settings (those of transformers)."""
    text = config.get_text_config(decoder=True) if hasattr(config, "get_text_config") else config
    layers = getattr(text, "num_hidden_layers", 0) or getattr(text, "decoder_layers", 0)
    width = getattr(text, "hidden_size", 0) or getattr(text, "d_model", 0)
    heads = getattr(text, "num_attention_heads", 0) or 1
    shared = getattr(text, "num_key_value_heads", None) or heads
    head = getattr(text, "head_dim", None) or width // heads
    states = 2 * layers * shared * head * positions * itemsize
    scores = 4 * 4 * text.vocab_size  # float32, and what mixing, normalizing and choosing make of them
    return int(states + scores)
