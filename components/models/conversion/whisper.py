"""Whisper checkpoints: openai-whisper's names <-> the hub's, and the folder that transformers loads.

Everything in the folder but the weights follows from the model's dimensions, so that it is the same byte for
byte wherever the weights came from: config, generation settings, tokenizer (built from the vocabulary that
openai-whisper ships) and the feature extractor's settings.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from components.compute import openai_whisper
from components.compute.openai_whisper import LANGUAGES, ModelDimensions, get_tokenizer
from components.errors import ModelError
from components.models.conversion.whisper_tokenizer import write_tokenizer

# openai-whisper's part of a name -> the hub's, in the order in which they are replaced.
RENAMES = (
    ("blocks", "layers"),
    ("mlp.0", "fc1"),
    ("mlp.2", "fc2"),
    ("mlp_ln", "final_layer_norm"),
    (".cross_attn_ln", ".encoder_attn_layer_norm"),
    (".cross_attn", ".encoder_attn"),
    (".attn_ln", ".self_attn_layer_norm"),
    (".attn.", ".self_attn."),
    ("attn.query", "attn.q_proj"),
    ("attn.key", "attn.k_proj"),
    ("attn.value", "attn.v_proj"),
    ("attn.out", "attn.out_proj"),
    ("decoder.ln.", "decoder.layer_norm."),
    ("encoder.ln_post.", "encoder.layer_norm."),
    ("token_embedding", "embed_tokens"),
    ("positional_embedding", "embed_positions.weight"),
)
AlignmentHeads = Sequence[Sequence[int]]


def hub_name(name: str) -> str:
    """Translate a tensor's name from openai-whisper's to the hub's."""
    for ours, hubs in RENAMES:
        name = name.replace(ours, hubs)
    return f"model.{name}"


def infer_dimensions(tensors: Mapping[str, Tensor], heads: int | None = None) -> ModelDimensions:
    """Infer the dimensions of a Whisper model from the shapes of its tensors.

    Args:
        tensors: by openai-whisper's names.
        heads: number of attention heads; None for heads of 64 units, as in every published Whisper.

    Raises:
        ModelError: A tensor is missing.
    """
    try:
        convolution, embedding = tensors["encoder.conv1.weight"], tensors["decoder.token_embedding.weight"]
        audio, text = tensors["encoder.positional_embedding"], tensors["decoder.positional_embedding"]
    except KeyError as error:
        raise ModelError(
            f"expected a Whisper model, found no tensor {error}; give a whole checkpoint"
        ) from None
    layers = {
        side: len({n.split(".")[2] for n in tensors if n.startswith(f"{side}.blocks.")})
        for side in ("encoder", "decoder")
    }
    count = heads or max(1, embedding.shape[1] // 64)
    return ModelDimensions(
        n_mels=convolution.shape[1],
        n_audio_ctx=audio.shape[0],
        n_audio_state=convolution.shape[0],
        n_audio_head=count,
        n_audio_layer=layers["encoder"],
        n_vocab=embedding.shape[0],
        n_text_ctx=text.shape[0],
        n_text_state=embedding.shape[1],
        n_text_head=count,
        n_text_layer=layers["decoder"],
    )


def unpack_alignment_heads(dump: bytes, dims: ModelDimensions) -> list[list[int]]:
    """Unpack openai-whisper's mask of alignment heads into [layer, head] pairs."""
    mask = np.frombuffer(gzip.decompress(base64.b85decode(dump)), dtype=bool)
    pairs: list[list[int]] = np.argwhere(mask.reshape(dims.n_text_layer, dims.n_text_head)).tolist()
    return pairs


def model_config(dims: ModelDimensions, dtype: torch.dtype) -> dict[str, object]:
    """Return ``config.json`` of transformers' WhisperForConditionalGeneration."""
    end = 50257 if dims.n_vocab >= 51865 else 50256
    return {
        "architectures": ["WhisperForConditionalGeneration"],
        "model_type": "whisper",
        "dtype": str(dtype).removeprefix("torch."),
        "activation_function": "gelu",
        "vocab_size": dims.n_vocab,
        "num_mel_bins": dims.n_mels,
        "d_model": dims.n_audio_state,
        "encoder_layers": dims.n_audio_layer,
        "encoder_attention_heads": dims.n_audio_head,
        "encoder_ffn_dim": 4 * dims.n_audio_state,
        "decoder_layers": dims.n_text_layer,
        "decoder_attention_heads": dims.n_text_head,
        "decoder_ffn_dim": 4 * dims.n_text_state,
        "max_source_positions": dims.n_audio_ctx,
        "max_target_positions": dims.n_text_ctx,
        "decoder_start_token_id": end + 1,
        "bos_token_id": end,
        "eos_token_id": end,
        "pad_token_id": end,
        "scale_embedding": False,
        "is_encoder_decoder": True,
        "use_cache": True,
    }


def generation_config(dims: ModelDimensions, alignment_heads: AlignmentHeads | None) -> dict[str, object]:
    """Build ``generation_config.json``: Whisper's special tokens, languages, and tokens never produced."""
    multilingual = dims.n_vocab >= 51865
    languages = dims.n_vocab - 51765 - int(multilingual)
    tokens = get_tokenizer(multilingual, num_languages=languages)
    special = (
        tokens.transcribe,
        tokens.translate,
        tokens.sot,
        tokens.sot_prev,
        tokens.sot_lm,
        tokens.no_speech,
    )
    values: dict[str, object] = {
        "decoder_start_token_id": tokens.sot,
        "bos_token_id": tokens.eot,
        "eos_token_id": tokens.eot,
        "pad_token_id": tokens.eot,
        "max_length": dims.n_text_ctx,
        "max_initial_timestamp_index": 50,
        "return_timestamps": False,
        "is_multilingual": multilingual,
        "no_timestamps_token_id": tokens.no_timestamps,
        "prev_sot_token_id": tokens.sot_prev,
        "suppress_tokens": sorted({*tokens.non_speech_tokens, *special}),
        "begin_suppress_tokens": [*tokens.encode(" "), tokens.eot],
    }
    if alignment_heads is not None:
        values["alignment_heads"] = [list(pair) for pair in alignment_heads]
    if multilingual:
        codes = tuple(LANGUAGES)[:languages]
        values["lang_to_id"] = {f"<|{code}|>": tokens.to_language_token(code) for code in codes}
        values["task_to_id"] = {"transcribe": tokens.transcribe, "translate": tokens.translate}
    return values


def preprocessor_config(dims: ModelDimensions) -> dict[str, object]:
    """Return ``preprocessor_config.json``: the log-mel spectrogram of 30 s windows at 16 kHz."""
    return {
        "feature_extractor_type": "WhisperFeatureExtractor",
        "processor_class": "WhisperProcessor",
        "feature_size": dims.n_mels,
        "sampling_rate": openai_whisper.SAMPLE_RATE,
        "hop_length": openai_whisper.HOP_LENGTH,
        "n_fft": openai_whisper.N_FFT,
        "chunk_length": openai_whisper.CHUNK_LENGTH,
        "n_samples": openai_whisper.N_SAMPLES,
        "nb_max_frames": openai_whisper.N_FRAMES,
        "padding_side": "right",
        "padding_value": 0.0,
        "return_attention_mask": False,
    }


def write_folder(
    folder: Path,
    tensors: Mapping[str, Tensor],
    dims: ModelDimensions,
    dtype: torch.dtype,
    alignment_heads: AlignmentHeads | None = None,
) -> None:
    """Write a transformers Whisper folder.

    Args:
        folder: the folder to fill.
        tensors: by openai-whisper's names.
        dims: the model's dimensions.
        dtype: type to store the weights in.
        alignment_heads: [layer, head] pairs of heads whose attention follows time, where they are known.
    """
    weights = {hub_name(name): tensor.to(dtype).contiguous() for name, tensor in tensors.items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    files = {
        "config.json": model_config(dims, dtype),
        "generation_config.json": generation_config(dims, alignment_heads),
        "preprocessor_config.json": preprocessor_config(dims),
    }
    for name, values in files.items():
        (folder / name).write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    write_tokenizer(folder, dims.n_vocab)


def openai_dimensions(values: Mapping[str, object], where: str) -> ModelDimensions:
    """Read openai-whisper's dimensions from a transformers Whisper ``config.json``.

    Args:
        values: the configuration.
        where: its file, for messages.

    Raises:
        ModelError: A dimension is missing or no positive number.
    """
    keys = {
        "n_mels": "num_mel_bins",
        "n_audio_ctx": "max_source_positions",
        "n_audio_state": "d_model",
        "n_audio_head": "encoder_attention_heads",
        "n_audio_layer": "encoder_layers",
        "n_vocab": "vocab_size",
        "n_text_ctx": "max_target_positions",
        "n_text_state": "d_model",
        "n_text_head": "decoder_attention_heads",
        "n_text_layer": "decoder_layers",
    }
    sizes: dict[str, int] = {}
    for ours, hubs in keys.items():
        value = values.get(hubs)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 10**6:
            raise ModelError(
                f"{where}: expected {hubs} to be a positive integer, found {value!r}; give a Whisper model"
            )
        sizes[ours] = value
    return ModelDimensions(**sizes)
