"""Whisper's encoder with a CTC head: the model folder, and the model as its recognizer sees it.

``model.safetensors`` holds the encoder (as openai-whisper names its tensors) and the head, ``config.json``
their sizes, the characters, the language, and the window that short recordings are padded to. The folder
needs no other model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from components.audio import Samples
from components.compute.openai_whisper import AudioEncoder, ModelDimensions, Whisper
from components.decoding.ctc.forward import LogProbs
from components.errors import ModelError, to_one_line
from components.models.architectures import SPEECH_CTC
from components.models.checkpoints import read_json, verify
from components.models.tensor_checks import refuse_mismatch, refuse_non_finite
from components.networks.ctc_head import CtcHead
from components.recognition.ctc.characters import BLANK
from components.recognition.ctc.decoder import CtcVocabulary
from components.recognition.whisper.encoder import WhisperEncoder
from components.recognition.whisper.pooled_states import average_pool, compute_states
from components.records import Checkpoint


@dataclass(frozen=True)
class HeadSettings:
    """What a head is, besides its weights.

    Attributes:
        characters: its outputs after the blank, in order.
        language: two letters.
        window_seconds: shorter audio was padded to this when the head was trained.
        pooling: encoder states that are averaged to one frame.
        width: of an encoder state.
        hidden: width between the head's layers.
        kernel: frames that its convolution sees.
    """

    characters: tuple[str, ...]
    language: str
    window_seconds: float
    pooling: int
    width: int
    hidden: int
    kernel: int

    def build_head(self, dropout: float = 0.0) -> CtcHead:
        """Return a head with random weights, which torch's seed decides."""
        return CtcHead(self.width, self.hidden, self.kernel, BLANK + 1 + len(self.characters), dropout)


class _SpeechCtc(nn.Module):
    """The modules whose tensors the folder holds."""

    def __init__(self, dims: ModelDimensions, head: CtcHead) -> None:
        super().__init__()
        sizes = (dims.n_mels, dims.n_audio_ctx, dims.n_audio_state, dims.n_audio_head, dims.n_audio_layer)
        self.dims, self.encoder, self.head = dims, AudioEncoder(*sizes), head

    @property
    def device(self) -> torch.device:
        return self.head.device


def save_speech_ctc(whisper: Whisper, head: CtcHead, settings: HeadSettings, folder: Path) -> None:
    """Write the folder that :func:`load_speech_ctc` reads."""
    folder.mkdir(parents=True, exist_ok=True)
    parts: Mapping[str, nn.Module] = {"encoder": whisper.encoder, "head": head}
    tensors = {
        f"{part}.{name}": tensor.detach().float().cpu().contiguous()
        for part, module in parts.items()
        for name, tensor in module.state_dict().items()
    }
    save_file(tensors, folder / "model.safetensors")
    config = {"architectures": [SPEECH_CTC], "encoder": asdict(whisper.dims), "head": asdict(settings)}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


class SpeechCtcModel:
    """A :class:`~components.recognition.ctc.decoder.CtcModel`: Whisper's encoder with a CTC head."""

    def __init__(self, encoder: WhisperEncoder, head: CtcHead, settings: HeadSettings) -> None:
        self._encoder, self._head, self._settings = encoder, head, settings
        self.vocabulary = CtcVocabulary(BLANK, ("", *settings.characters))
        self.language: str | None = settings.language

    @torch.inference_mode()
    def score_frames(self, samples: Samples) -> LogProbs:
        """See :class:`CtcModel`. The head was trained on states in float16, so it gets those."""
        states = compute_states(self._encoder, samples, self._settings.window_seconds)
        states = average_pool(states, self._settings.pooling).half().float()[None]
        mask = torch.ones(states.shape[:2], dtype=torch.bool, device=states.device)
        log_probs: LogProbs = self._head(states, mask)[0].double().cpu().numpy()
        return log_probs

    def decode(self, tokens: Sequence[int]) -> str:
        """See :class:`CtcModel`."""
        return " ".join("".join(self.vocabulary.pieces[token] for token in tokens).split())


def load_speech_ctc(checkpoint: Checkpoint, device: torch.device) -> SpeechCtcModel:
    """Return the model of a folder of ``train_ctc``, on ``device``.

    Raises:
        ModelError: Its settings are incomplete, or a tensor is missing, of another shape or not finite.
    """
    verify(checkpoint)
    path = Path(checkpoint.path) / "config.json"
    config: dict[str, Any] = read_json(path)
    try:
        dims = ModelDimensions(**config["encoder"])
        settings = HeadSettings(**{**config["head"], "characters": tuple(config["head"]["characters"])})
        model = _SpeechCtc(dims, settings.build_head())
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        problem = to_one_line(error, 200)
        raise ModelError(f"{path}: expected the settings of a CTC head ({problem}); train it again") from None
    tensors = load_file(Path(checkpoint.path) / "model.safetensors")
    _refuse_tensors(checkpoint, model.state_dict(), tensors)
    model.load_state_dict(tensors)
    model = model.to(device).eval()
    return SpeechCtcModel(WhisperEncoder(model), model.head, settings)


def _refuse_tensors(
    checkpoint: Checkpoint, expected: Mapping[str, Tensor], stored: Mapping[str, Tensor]
) -> None:
    shapes = [{name: tuple(tensor.shape) for name, tensor in side.items()} for side in (expected, stored)]
    refuse_mismatch(checkpoint, *shapes)
    refuse_non_finite(checkpoint, stored.items())
