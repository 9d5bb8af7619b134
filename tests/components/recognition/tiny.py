"""A random Whisper small enough to be searched exhaustively fast, with audio-dependent output."""

from __future__ import annotations

import torch
from whisper.model import ModelDimensions, Whisper


def tiny(seed: int = 0, n_vocab: int = 51865, width: int = 32, context: int = 64) -> Whisper:
    torch.manual_seed(seed)
    model = Whisper(
        ModelDimensions(
            n_mels=80,
            n_audio_ctx=1500,
            n_audio_state=width,
            n_audio_head=2,
            n_audio_layer=2,
            n_vocab=n_vocab,
            n_text_ctx=context,
            n_text_state=width,
            n_text_head=2,
            n_text_layer=2,
        )
    ).eval()
    with torch.no_grad():
        model.decoder.positional_embedding.normal_(0, 0.3)
        for name, parameter in model.named_parameters():
            if parameter.dim() == 2 and "token_embedding" not in name and "positional" not in name:
                parameter.mul_(6)  # larger than at initialization, or every position says the same
    return model


def mels(n: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(n, 80, 3000, generator=torch.Generator().manual_seed(seed))
