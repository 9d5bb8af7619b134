"""Whisper of random weights at real sizes: encoder, decoding steps, and both, against two other libraries."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
from whisper.decoding import DecodingOptions, DecodingTask
from whisper.model import Whisper

from benchmarks.gpu.context import DTYPES, Context, Timed
from benchmarks.gpu.inputs import noise_windows
from benchmarks.gpu.random_models import dimensions_of, make_hub_whisper, make_whisper
from benchmarks.gpu.row import Row, Value
from components.decoding.config import SearchConfig
from components.decoding.constraints import token_constraints
from components.decoding.searches.search import search
from components.recognition.backends.whisper.model import EncoderOutput, OpenAIWhisperBackend
from components.recognition.whisper.logits_processors import whisper_logits_processors

WINDOW_SECONDS = 30
TOKENS = 110
"""Decoded in every window: what half a minute of speech has."""
RUNS: dict[tuple[str, str], tuple[int, ...]] = {
    ("large-v3", "float16"): (8, 64, 32, 128),
    ("base", "float16"): (8, 64, 32, 128),
    ("turbo", "float16"): (8, 64),
    ("large-v3", "bfloat16"): (8,),
}
"""Model and arithmetic -> batches; what the goals are about first, should the time be over."""
TOY_RUNS = {("toy", "float32"): (2,)}
BEAM_BATCHES = (2, 8, 64)
"""Batches that are decoded with a beam of 5 and with CUDA graphs, too, and measured with the encoder."""
PEERS = {("large-v3", 8), ("base", 8), ("base", 64), ("toy", 2)}
"""Model and batch of which openai-whisper and transformers are measured."""


@torch.inference_mode()
def measure(context: Context) -> Iterator[Row]:
    """Every size of model, arithmetic, batch and beam."""
    for (model, dtype), batches in context.size(RUNS, TOY_RUNS).items():
        yield from _measure_model(context, model, dtype, batches)
        if context.on_card:
            torch.cuda.empty_cache()


def _measure_model(context: Context, name: str, dtype: str, batches: tuple[int, ...]) -> Iterator[Row]:
    backend = OpenAIWhisperBackend(make_whisper(name, context.device, DTYPES[dtype]))
    for batch in batches:
        mels = noise_windows(batch, backend.dims.n_mels)
        setting: dict[str, Value] = {"model": name, "dtype": dtype, "batch": batch}
        encode = Timed(
            "encoder", partial(backend.encode, mels), flops=batch * encoder_flops(name), dtype=dtype
        )
        yield from context.time("whisper", [encode], setting)
        for beam in (1, 5) if batch in BEAM_BATCHES else (1,):
            yield from _measure_decoding(context, backend, mels, {**setting, "beam": beam})
        if (name, batch) in PEERS and dtype != "bfloat16":
            # They read the weights as they are; ours are laid out anew beside them.
            model = make_whisper(name, context.device, DTYPES[dtype])
            yield from _measure_peers(context, model, mels, setting)


def _measure_decoding(
    context: Context, backend: OpenAIWhisperBackend, mels: torch.Tensor, setting: dict[str, Value]
) -> Iterator[Row]:
    features, steps = backend.encode(mels), context.size(TOKENS, 4)
    beam, batch = int(setting["beam"]), len(mels)
    timed = Timed("steps", partial(decode, backend, features, beam, steps), dtype=str(setting["dtype"]))
    least = step_bytes(str(setting["model"]), batch, steps, DTYPES[timed.dtype].itemsize)
    rounds = context.size(3, 1)
    timed = timed._replace(bytes=steps * least)
    decoded = [timed, timed.with_switches("graphs")] if batch in BEAM_BATCHES else [timed]
    for row in context.time("whisper", decoded, setting, rounds):
        ms, audio = 1e3 * row.median / steps, batch * WINDOW_SECONDS
        yield row.model_copy(
            update={"values": {"ms_a_step": ms, "times_real_time_of_steps": audio / row.median}}
        )
    if batch not in BEAM_BATCHES:
        return
    whole = Timed("encoder and steps", lambda: decode(backend, backend.encode(mels), beam, steps))
    for row in context.time("whisper", [whole, whole.with_switches("graphs")], setting, rounds):
        yield row.model_copy(update={"values": {"times_real_time": batch * WINDOW_SECONDS / row.median}})


def decode(backend: OpenAIWhisperBackend, features: EncoderOutput, beam: int, steps: int) -> object:
    """Decode exactly ``steps`` tokens of each window, with the rules of timestamps."""
    tokenizer = backend.dims.get_tokenizer("en", "transcribe")
    prompts = torch.tensor([tokenizer.sot_sequence] * len(features))
    rules = whisper_logits_processors(tokenizer, False)
    return search(
        [backend.build_scorer(features, prompts)],
        SearchConfig(beam_size=beam, max_new_tokens=steps),
        logits_processors=[*rules, token_constraints.suppress([tokenizer.eot])],
    )


def _measure_peers(
    context: Context, model: Whisper, mels: torch.Tensor, setting: dict[str, Value]
) -> Iterator[Row]:
    """openai-whisper's ``decode`` and transformers' ``generate``, greedy, to the same number of tokens."""
    steps, dtype = context.size(TOKENS, 4), DTYPES[str(setting["dtype"])]
    sound = mels.to(context.device, dtype)
    # Its own end-of-text is kept from being said, so that it decodes as many tokens.
    options = DecodingOptions(
        language="en", without_timestamps=True, sample_len=steps, fp16=dtype == torch.float16,
        suppress_tokens=[-1, 50257],
    )  # fmt: skip
    hub = make_hub_whisper(str(setting["model"]), context.device, dtype)
    prompt = torch.full((len(mels), 1), 50258, device=context.device)
    systems = [
        Timed("openai-whisper", lambda: DecodingTask(model, options).run(sound)),
        Timed(
            "transformers generate",
            lambda: super(type(hub), hub).generate(
                sound, decoder_input_ids=prompt, max_new_tokens=steps, do_sample=False
            ),
        ),
    ]
    for row in context.time("whisper", systems, {**setting, "beam": 1}, context.size(3, 1)):
        yield row.model_copy(update={"values": {"times_real_time": len(mels) * WINDOW_SECONDS / row.median}})


def encoder_flops(name: str) -> float:
    """Operations of one window in the encoder: products of weights and of attention, and the convolutions."""
    dims = dimensions_of(name)
    positions, width = dims.n_audio_ctx, dims.n_audio_state
    layer = 2 * positions * 12 * width**2 + 4 * positions**2 * width
    stem = 2 * 3 * (2 * positions * dims.n_mels * width + positions * width**2)
    return float(dims.n_audio_layer * layer + stem)


def step_bytes(name: str, batch: int, steps: int, itemsize: int) -> float:
    """Bytes that a greedy step reads on average: the weights once, keys and values of all rows."""
    dims = dimensions_of(name)
    width, layers = dims.n_text_state, dims.n_text_layer
    weights = layers * 14 * width**2 + dims.n_vocab * width
    keys = 2 * layers * width * (dims.n_audio_ctx + steps / 2)
    return itemsize * (weights + batch * keys)
