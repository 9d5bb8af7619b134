"""Memory of the card: peaks of recognition and translation, and what happens where a tenth of it is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch

from benchmarks.gpu.context import DTYPES, Context
from benchmarks.gpu.inputs import noise_windows
from benchmarks.gpu.random_models import count_bytes, make_marian, make_whisper
from benchmarks.gpu.row import Row, Value
from benchmarks.gpu.sections.whisper import TOKENS, decode
from components.compute.batch_sizes import BatchLimit
from components.decoding.config import SearchConfig
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.searches.search import search
from components.recognition.backends.whisper.model import OpenAIWhisperBackend

SHARE = 0.1
"""Of the card's memory that the last row is allowed."""


@torch.inference_mode()
def measure(context: Context) -> Iterator[Row]:
    """Peaks of stages; the batch that is left where memory is short."""
    name, dtype = context.size("large-v3", "toy"), context.size("float16", "float32")
    model = make_whisper(name, context.device, DTYPES[dtype])
    weights, steps = count_bytes(model), context.size(TOKENS, 3)
    backend = OpenAIWhisperBackend(model)
    del model
    for batch in context.size((8, 64), (2,)):
        mels = noise_windows(batch, backend.dims.n_mels)
        setting: dict[str, Value] = {"model": name, "dtype": dtype, "batch": batch, "beam": 5}
        peak = _peak(context, lambda m=mels: decode(backend, backend.encode(m), 5, steps))
        yield Row(section="memory", system="recognize", setting=setting, values={"weights": weights, **peak})
    yield from _measure_translation(context)
    yield _measure_shortage(context, backend, steps)


def _measure_translation(context: Context) -> Iterator[Row]:
    dtype = context.size("bfloat16", "float32")
    shape = context.size({}, {"width": 16, "layers": 1, "vocabulary": 100})
    model = make_marian(0, context.device, DTYPES[dtype], **shape)
    weights, vocabulary = count_bytes(model), model.config.vocab_size
    ready = Seq2SeqModel(model, "digest", "marian")
    for batch in context.size((16, 256), (2,)):
        ids = torch.randint(1, vocabulary - 2, (batch, 24)).to(context.device)
        config = SearchConfig(beam_size=5, max_new_tokens=context.size(32, 3))
        peak = _peak(context, lambda i=ids, c=config: search([ready.build_scorer(input_ids=i)], c))
        setting: dict[str, Value] = {"dtype": dtype, "batch": batch, "beam": 5}
        yield Row(section="memory", system="translate", setting=setting, values={"weights": weights, **peak})


def _peak(context: Context, run: Callable[[], object]) -> dict[str, Value]:
    """The most bytes that were allocated while it ran, by torch; nothing on a CPU."""
    if not context.on_card:
        run()
        return {}
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    run()
    return {"peak": torch.cuda.max_memory_allocated(), "reserved": torch.cuda.max_memory_reserved()}


def _measure_shortage(context: Context, backend: OpenAIWhisperBackend, steps: int) -> Row:
    """Recognize more windows than fit: all must have a text, and the batch that fits is said."""
    windows = context.size(128, 4)
    mels = noise_windows(windows, backend.dims.n_mels)
    limit = BatchLimit(windows)

    def recognize(part: Sequence[int]) -> Sequence[object]:
        if context.toy and len(part) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory (of a toy)")
        return list(decode(backend, backend.encode(mels[list(part)]), 5, steps))  # type: ignore[call-overload]

    if context.on_card:
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(SHARE)
    try:
        texts = limit.map(recognize, list(range(windows)))
    finally:
        if context.on_card:
            torch.cuda.set_per_process_memory_fraction(1.0)
    values: dict[str, Value] = {"texts": len(texts), "of": windows, "batch_that_fits": limit.size}
    return Row(
        section="memory", system="recognize, a tenth of the memory", setting={"beam": 5}, values=values
    )
