"""A CTC model that hears what Whisper hears."""

from __future__ import annotations

from collections.abc import Sequence

from components.audio import SAMPLE_RATE, Samples
from components.compute.openai_whisper import Tokenizer
from components.decoding.constraints.logits_processors import LogitsProcessor
from components.decoding.ctc.joint_scoring import CtcFrames, JointCtc
from components.errors import ConfigError
from components.models import resolve
from components.recognition.config import RecognitionConfig
from components.recognition.ctc.characters import spell
from components.recognition.ctc.decoder import CtcDecoder, CtcModel
from components.recognition.factory import load_resident
from components.recognition.whisper.windows.decoding_state import WindowStream
from components.recognition.whisper.windows.features import FRAMES_PER_SECOND
from components.recognition.windowed.decoder import pad_samples


class CtcGuide:
    """Adds the scores of a CTC model over the same sound; see :mod:`components.decoding.ctc.joint_scoring`.

    Args:
        model: the CTC model, whose pieces are characters.
        weight: its weight, from 0 to 1.
        name: of the model, for messages.

    Raises:
        ConfigError: A piece of the model is longer than a character.
    """

    def __init__(self, model: CtcModel, weight: float, name: str) -> None:
        self._model, self._weight = model, weight
        self._numbers = number_characters(model, name)

    def build_bias(
        self, streams: Sequence[WindowStream], tokenizer: Tokenizer, n_vocab: int
    ) -> LogitsProcessor:
        """Return scores of every window's frames."""
        log_probs = [self._model.score_frames(_samples_of(stream)) for stream in streams]
        frames = CtcFrames(log_probs, self._model.vocabulary.blank)

        def spell_tokens(tokens: Sequence[int]) -> list[int]:
            text = spell(tokenizer.decode([token for token in tokens if token < tokenizer.eot]))
            return [self._numbers[character] for character in text if character in self._numbers]

        return JointCtc(frames, spell_tokens, self._weight, [tokenizer.eot])


def number_characters(model: CtcModel, name: str) -> dict[str, int]:
    """Return the number of each character that a CTC model writes, in lower case.

    Raises:
        ConfigError: A piece is longer than a character.
    """
    numbers: dict[str, int] = {}
    for number, piece in enumerate(model.vocabulary.pieces):
        if len(piece) > 1:
            raise ConfigError(
                f"ctc.model: expected a CTC model of characters, found {name} with the piece {piece!r}: use "
                "another, or combine its finished transcripts (a node of kind combine, method rover)"
            )
        if piece:
            numbers.setdefault(piece.lower(), number)
    return numbers


def _samples_of(stream: WindowStream) -> Samples:
    begin = round(stream.start * SAMPLE_RATE)
    samples = stream.state.samples[begin : begin + stream.frames * SAMPLE_RATE // FRAMES_PER_SECOND]
    return pad_samples(samples, CtcDecoder.min_seconds)


def build(config: RecognitionConfig, store: str | None, task: str) -> CtcGuide:
    """Return the guide by the CTC model of ``config``, which stays in memory. ConfigError, ModelError."""
    assert config.ctc is not None
    checkpoint = resolve(config.ctc.model, store)
    model = load_resident(checkpoint, config.model_copy(update={"backend": "ctc", "dtype": "float32"}))
    return CtcGuide(model, config.ctc.weight, config.ctc.model)
