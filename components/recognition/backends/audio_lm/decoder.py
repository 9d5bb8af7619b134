"""The ``audio-lm`` backend: audio language models, prompted to transcribe, to translate, or to stack.

A stack reads transcripts in the prompt, beside the sound. Each architecture is a row of
:data:`.requests.MODELS`; all are built by AutoProcessor, a chat template and the class of their name. The
texts of the prompts are in ``prompts/``. Transcripts are data: on one line between delimiters, with these and
all control tokens taken out of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from components.audio import SAMPLE_RATE
from components.compute.device import pick_dtype
from components.decoding.config import SearchConfig
from components.decoding.models.audio_language_model import AudioPromptScorer, Prompt
from components.decoding.models.causal import CausalModel
from components.decoding.models.generation_settings import logits_processors_of
from components.decoding.scorers import digest_of
from components.decoding.searches.search import search
from components.errors import ConfigError, DataError, ModelError
from components.models.checkpoints import ADAPTERS, read_json
from components.models.loaders.loading import load_transformers
from components.recognition.backends.audio_lm.requests import MODELS, AudioLanguageModelRow
from components.recognition.backends.seq2seq.decoder import search_config_of, to_window_hypothesis
from components.recognition.backends.windowed import require_possible
from components.recognition.config import RecognitionConfig
from components.recognition.windowed.decoder import Window, WindowHypothesis
from components.recognition.windowed.nbest import NBestDecoder
from components.recognition.windowed.request import Request
from components.records import Checkpoint
from components.text.languages import english_name, is_undetermined, two_letters_of
from components.text.sanitization import find_control_tokens, sanitize

PROMPTS = Path(__file__).parent / "prompts"
_OPEN, _CLOSE = "<text>", "</text>"


class AudioLanguageDecoder(NBestDecoder):
    """A :class:`~components.recognition.windowed.decoder.WindowDecoder` over an audio language model.

    Args:
        ready: the model, ready to be searched.
        processor: its processor.
        row: how its architecture is asked.
        search_config: the search.
    """

    def __init__(
        self, ready: CausalModel, processor: Any, row: AudioLanguageModelRow, search_config: SearchConfig
    ) -> None:
        self._ready, self._processor, self._row, self._search = ready, processor, row, search_config
        self._controls = (*find_control_tokens(processor.tokenizer), _OPEN, _CLOSE)

    def check(self, request: Request) -> None:
        """See :class:`WindowDecoder`."""
        check_request(self._row, request)

    def decode(self, windows: Sequence[Window]) -> list[list[WindowHypothesis]]:
        """See :class:`WindowDecoder`."""
        prompts = [self.build_prompt(window) for window in windows]
        tokens = [prompt["input_ids"][0].tolist() for prompt in prompts]
        nbests = search(
            [AudioPromptScorer(self._ready, prompts)],
            self._search,
            logits_processors=logits_processors_of(self._ready.model, prompts=tokens),
        )
        tokenizer, clean = self._processor.tokenizer, self._row.clean
        return [
            [
                to_window_hypothesis(
                    tokenizer,
                    candidate,
                    text=clean(tokenizer.decode(list(candidate.tokens), skip_special_tokens=True)),
                )
                for candidate in nbest
            ]
            for nbest in nbests
        ]

    def build_prompt(self, window: Window) -> Prompt:
        """Return what the model reads of a window, as a batch of one."""
        request = window.request
        code = None if is_undetermined(request.source) else two_letters_of(request.source)
        if request.task == "transcribe" and self._row.request is not None:
            inputs = self._row.request(self._processor, window.samples, code)
        else:
            assert self._row.ask is not None
            inputs = self._row.ask(self._processor, window.samples, self.build_text(request))
        return {name: value for name, value in inputs.items() if isinstance(value, Tensor)}

    def build_text(self, request: Request) -> str:
        """Return the text of the user's turn."""
        language = "" if is_undetermined(request.source) else f", which is in {english_name(request.source)},"
        target = english_name(request.target) if request.target else ""
        names = {"language": language, "target": target, "open": _OPEN, "close": _CLOSE}
        text = (PROMPTS / f"{request.task}.txt").read_text(encoding="utf-8").strip().format(**names)
        lines = [f"{_OPEN}{sanitize(line, self._controls)}{_CLOSE}" for line in request.transcripts]
        return "\n".join([text, *lines])


def check_request(row: AudioLanguageModelRow, request: Request) -> None:
    """Refuse what an architecture cannot do. DataError."""
    if request.task == "transcribe":
        return
    if row.ask is None:
        raise DataError("expected a model that follows instructions, found one that transcribes only")
    if request.target is None or is_undetermined(request.target):
        raise DataError("expected a target language, found none: say to: LANGUAGE")


def load(checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device) -> tuple[CausalModel, Any]:
    """Return the model of ``checkpoint`` on ``device``, ready to be searched, and its processor.

    Raises:
        ConfigError: The device cannot compute in ``dtype``, or something that the model needs is missing.
        ModelError: It cannot be loaded, or was made for another sample rate.
    """
    _refuse_missing_parts(checkpoint)
    model, processor = load_transformers(checkpoint, "named", device, pick_dtype(config.dtype, device))
    extractor = getattr(processor, "feature_extractor", None) or getattr(processor, "audio_processor", None)
    rate = getattr(extractor, "sampling_rate", SAMPLE_RATE)
    if rate != SAMPLE_RATE:
        raise ModelError(
            f"{checkpoint.reference}: expected a model for audio of {SAMPLE_RATE} Hz, found {rate} Hz"
        )
    digest = digest_of(processor.tokenizer.get_vocab())
    return CausalModel(model, digest, checkpoint.reference), processor


def build_decoder(
    loaded: tuple[CausalModel, Any], checkpoint: Checkpoint, config: RecognitionConfig
) -> AudioLanguageDecoder:
    """Return the decoder of what :func:`load` loaded."""
    return AudioLanguageDecoder(*loaded, MODELS[checkpoint.architecture], search_config_of(config))


def _refuse_missing_parts(checkpoint: Checkpoint) -> None:
    """Refuse a model without the package that its processor needs, or without its adapter. ConfigError."""
    row, folder = MODELS[checkpoint.architecture], Path(checkpoint.path)
    if row.module and find_spec(row.module) is None:
        raise ConfigError(
            f"{checkpoint.reference}: {checkpoint.architecture} expects the package {row.package}, found it "
            f"missing; pip install '{row.package}'"
        )
    if read_json(folder / "config.json").get("has_lora_adapter") and not (folder / ADAPTERS).is_file():
        raise ConfigError(
            f"{checkpoint.reference}: expected its LoRA merged into it, which it needs for sound, found the "
            f"base alone; set adapter: {checkpoint.reference}"
        )


def check_requests(checkpoint: Checkpoint, requests: Sequence[Request]) -> None:
    """Refuse a model that can do none of several requests, or that lacks what it needs. ConfigError."""
    _refuse_missing_parts(checkpoint)
    require_possible(checkpoint, requests, partial(check_request, MODELS[checkpoint.architecture]))
