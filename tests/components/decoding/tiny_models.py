"""Tiny random models, and what their own ``generate`` makes of a batch."""

from __future__ import annotations

from typing import Any

import torch
from transformers import (
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    M2M100Config,
    M2M100ForConditionalGeneration,
    MarianConfig,
    MarianMTModel,
    MBartConfig,
    MBartForConditionalGeneration,
    T5Config,
    T5ForConditionalGeneration,
)

from components.decoding.models.seq2seq import Seq2SeqModel

BART = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "max_position_embeddings": 64,
    "dropout": 0.0,
    "init_std": 0.3,
}


def ready_to_end(model: Any, bonus: float = 2.0) -> Any:
    """Random models hardly ever end; add ``bonus`` nats to the logits of their eos tokens."""
    eos = torch.tensor(model.generation_config.eos_token_id).reshape(-1)

    def add(_module: object, _inputs: object, logits: torch.Tensor) -> torch.Tensor:
        return logits.index_add(-1, eos, torch.full((*logits.shape[:-1], len(eos)), bonus))

    model.get_output_embeddings().register_forward_hook(add)
    return model.eval()


def marian(vocabulary: int = 60, seed: int = 0) -> Any:
    """Marian: eos 0, pad and decoder start the last token, pad forbidden, eos forced at the limit."""
    torch.manual_seed(seed)
    pad = vocabulary - 1
    special = {
        "pad_token_id": pad,
        "eos_token_id": 0,
        "decoder_start_token_id": pad,
        "forced_eos_token_id": 0,
    }
    model = MarianMTModel(
        MarianConfig(vocab_size=vocabulary, decoder_vocab_size=vocabulary, **special, **BART)
    )
    model.final_logits_bias.normal_()
    model.generation_config = GenerationConfig(bad_words_ids=[[pad]], **special)
    return ready_to_end(model, 5.0)


def packed_marian(model: Any) -> Seq2SeqModel:
    """A copy of :func:`marian` on packed layers; its eagerness to end is part of its bias, not a hook."""
    twin = MarianMTModel(model.config).to(model.dtype).eval()
    twin.load_state_dict(model.state_dict())
    twin.generation_config = model.generation_config
    twin.final_logits_bias[0, 0] += 5.0
    return Seq2SeqModel(twin, "digest", "packed", "float32")


def m2m(vocabulary: int = 60, seed: int = 0) -> Any:
    """M2M/NLLB: eos 2 is also the decoder start, the target language's token is forced first."""
    torch.manual_seed(seed)
    special = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 2}
    model = M2M100ForConditionalGeneration(M2M100Config(vocab_size=vocabulary, **special, **BART))
    model.generation_config = GenerationConfig(forced_bos_token_id=7, **special)
    return ready_to_end(model)


def mbart(vocabulary: int = 60, seed: int = 0) -> Any:
    """mBART: learned positions, forced first and last tokens, minimum length, no repeated trigram."""
    torch.manual_seed(seed)
    special = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 9}
    model = MBartForConditionalGeneration(MBartConfig(vocab_size=vocabulary, **special, **BART))
    model.generation_config = GenerationConfig(
        forced_bos_token_id=8,
        forced_eos_token_id=2,
        min_length=4,
        no_repeat_ngram_size=3,
        suppress_tokens=[5, 6],
        begin_suppress_tokens=[11, 2],
        bad_words_ids=[[12, 13], [14]],
        **special,
    )
    return ready_to_end(model)


def t5(vocabulary: int = 60, seed: int = 0) -> Any:
    """T5: relative positions, no biases, decoder start = pad."""
    torch.manual_seed(seed)
    special = {"pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0}
    sizes = {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_decoder_layers": 2, "num_heads": 4}
    model = T5ForConditionalGeneration(
        T5Config(vocab_size=vocabulary, dropout_rate=0.0, initializer_factor=1.0, **special, **sizes)
    )
    model.generation_config = GenerationConfig(**special)
    return ready_to_end(model)


SEQ2SEQ = {"marian": marian, "m2m": m2m, "mbart": mbart, "t5": t5}


def llama(vocabulary: int = 60, seed: int = 0, positions: int = 64) -> Any:
    """Llama with grouped key-value heads and two eos tokens, as Qwen's and Llama 3's."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=positions,
        initializer_range=0.3,
    )
    model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(pad_token_id=0, eos_token_id=[1, 2])
    return ready_to_end(model)


def sources(model: Any, n: int = 4, seed: int = 0) -> dict[str, torch.Tensor]:
    """``n`` padded source sentences of different lengths."""
    generator = torch.Generator().manual_seed(seed)
    lengths = [3 + (5 * i) % 7 for i in range(n)]
    pad = model.config.pad_token_id
    ids = torch.full((n, max(lengths)), pad)
    for row, length in enumerate(lengths):
        ids[row, :length] = torch.randint(15, model.config.vocab_size - 1, (length,), generator=generator)
    return {"input_ids": ids, "attention_mask": (ids != pad).long()}


def only(inputs: dict[str, torch.Tensor], row: int) -> dict[str, torch.Tensor]:
    """One row of a batch of sources, its padding on the right cut off."""
    length = int(inputs["attention_mask"][row].sum())
    return {name: tensor[row : row + 1, :length] for name, tensor in inputs.items()}


def trim(row: list[int], eos: tuple[int, ...]) -> tuple[int, ...]:
    """Generated ids up to, and without, the first eos."""
    ends = [place for place, token in enumerate(row) if token in eos]
    return tuple(row[: ends[0]] if ends else row)


def generated(
    model: Any, inputs: dict[str, torch.Tensor], *, prompt: int = 1, **settings: Any
) -> list[list[tuple[tuple[int, ...], float | None]]]:
    """``model.generate`` -> per utterance its (tokens without eos, length-normalized score), best first."""
    result = model.generate(
        **inputs, do_sample=False, return_dict_in_generate=True, output_scores=True, **settings
    )
    eos = model.generation_config.eos_token_id
    eos = (eos,) if isinstance(eos, int) else tuple(eos)
    scores = getattr(result, "sequences_scores", None)
    per = settings.get("num_return_sequences", 1)
    pairs = [
        (trim(row[prompt:], eos), None if scores is None else float(scores[i]))
        for i, row in enumerate(result.sequences.tolist())
    ]
    return [pairs[i : i + per] for i in range(0, len(pairs), per)]
