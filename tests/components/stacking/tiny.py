"""A tiny text model, a tiny Whisper and tones instead of speech."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
import torch
from transformers import WhisperConfig, WhisperForConditionalGeneration

from components import audio
from components.models.checkpoints import checkpoint_of
from components.networks.stacked_model import Sources, StackedKind
from components.records import Utterance
from components.stacking.config import SpeechConfig
from components.stacking.model_folder import LoadedStackedModel, from_text_model, save_stacked
from components.stacking.padding import pad_texts
from components.training.config import TrainingConfig
from components.training.examples import vocabulary
from components.training.marian_model import build_marian
from tests.components.training.tiny import WORDS

WIDTH = 16


def text_model(folder: Path, seed: int = 0) -> Path:
    """A Marian-architecture folder with random weights, large enough that words matter."""
    tokenizer = vocabulary.save(vocabulary.train([" ".join(WORDS)] * 3, 48), folder, "en", "de")
    config = TrainingConfig(num_layers=2, d_model=32, ffn_dim=32, num_heads=2, dropout=0.1, seed=seed)
    created = build_marian(config, len(tokenizer))
    with torch.no_grad():
        for parameter in created.parameters():
            if parameter.requires_grad and parameter.dim() == 2:
                parameter.mul_(4)
    created.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def whisper(folder: Path) -> Path:
    """A Whisper folder of the hub's kind with random weights."""
    torch.manual_seed(0)
    config = WhisperConfig(
        vocab_size=51865,
        num_mel_bins=80,
        d_model=WIDTH,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=4 * WIDTH,
        decoder_ffn_dim=4 * WIDTH,
        max_target_positions=64,
    )
    WhisperForConditionalGeneration(config).save_pretrained(folder)
    return folder


def stacked(folder: Path, kind: StackedKind = "dual", stack: int = 1) -> LoadedStackedModel:
    torch.manual_seed(1)
    speech = SpeechConfig(model=str(folder), window_seconds=1.0)
    ready = from_text_model(str(folder), kind, speech, WIDTH, stack, None)
    ready.model.eval()
    return ready


def saved(models: Path, folder: Path, kind: StackedKind = "dual") -> Path:
    """A stacked model's folder, of the text model and the Whisper in ``models``."""
    ready = stacked(models / "text", kind)
    speech = ready.speech.model_copy(update={"model": str(models / "whisper")})
    save_stacked(LoadedStackedModel(ready.model, ready.tokenizer, speech, "tiny"), folder)
    return folder


def sources(
    ready: LoadedStackedModel, texts: list[str], seed: int = 0, lengths: tuple[int, ...] = ()
) -> Sources:
    """Texts with random states of the given lengths (default 7 each)."""
    ids = [[ready.tokenizer(text).input_ids] for text in texts]
    generator = torch.Generator().manual_seed(seed)
    lengths = lengths or (7,) * len(texts)
    speech = torch.randn(len(texts), max(lengths), WIDTH, generator=generator)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return Sources(*pad_texts(ids, ready.model.config.pad_token_id), speech, mask)


def tone(path: Path, hertz: float, seconds: float = 0.4) -> Utterance:
    """A recording of one tone as an utterance."""
    time = np.arange(int(seconds * audio.SAMPLE_RATE)) / audio.SAMPLE_RATE
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * hertz * time), audio.SAMPLE_RATE)
    return Utterance(id=path.stem, audio=audio.describe(path), source_language="en", target_language="de")


__all__ = ["WIDTH", "WORDS", "checkpoint_of", "saved", "sources", "stacked", "text_model", "tone", "whisper"]
