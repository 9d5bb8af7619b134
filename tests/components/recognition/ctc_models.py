"""Random CTC models of transformers' architectures, small enough to be made in a test, as model folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

LETTERS = "|'abcdefghijklmnopqrstuvwxyz"
SMALL = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "hidden_dropout": 0.0,
}
_CONVOLUTIONS = {
    "conv_dim": (16, 16, 16),
    "conv_kernel": (10, 8, 4),
    "conv_stride": (10, 8, 4),
    "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}
FAMILIES = ("Wav2Vec2", "Hubert", "WavLM", "Parakeet")


def save(family: str, folder: Path, seed: int = 0) -> Path:
    """Write a model folder of a family."""
    torch.manual_seed(seed)
    if family == "Parakeet":
        model, tokenizer, extractor = _parakeet(folder)
    else:
        model, tokenizer, extractor = _waveform_model(family, folder)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() >= 2 and "embed" not in name and "conv_layers" not in name:
                parameter.mul_(8)  # larger than at initialization, or every frame says the same
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    extractor.save_pretrained(folder)
    return folder


def _waveform_model(family: str, folder: Path) -> tuple[Any, Any, Any]:
    names = ["<pad>", "<s>", "</s>", "<unk>", *LETTERS]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({name: i for i, name in enumerate(names)}))
    tokenizer = transformers.Wav2Vec2CTCTokenizer(str(folder / "vocab.json"))
    config = getattr(transformers, f"{family}Config")(
        vocab_size=len(names), pad_token_id=0, bos_token_id=1, eos_token_id=2, **SMALL, **_CONVOLUTIONS
    )
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=False)
    return getattr(transformers, f"{family}ForCTC")(config), tokenizer, extractor


def _parakeet(folder: Path) -> tuple[Any, Any, Any]:
    names = ["<unk>", "\u2581", *(f"\u2581{letter}" for letter in "abcde"), *LETTERS[2:], "<pad>"]
    backend = Tokenizer(models.Unigram([(name, -1.0) for name in names], unk_id=0))
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    tokenizer = transformers.ParakeetTokenizer(tokenizer_object=backend, unk_token="<unk>", pad_token="<pad>")
    encoder = {**SMALL, "num_mel_bins": 80, "subsampling_conv_channels": 16, "conv_kernel_size": 5}
    del encoder["hidden_dropout"]
    config = transformers.ParakeetCTCConfig(
        vocab_size=len(names), pad_token_id=len(names) - 1, encoder_config=encoder
    )
    return (
        transformers.ParakeetForCTC(config),
        tokenizer,
        transformers.ParakeetFeatureExtractor(feature_size=80),
    )
