"""What the tokens of an utterance's text attended to."""

from __future__ import annotations

from collections.abc import Sequence

from components.compute.openai_whisper import Tokenizer
from components.errors import ConfigError
from components.nodes.continuing import Attended
from components.recognition.whisper.windows.decoding_state import DecodedWhisperWindow
from components.recognition.whisper.words.segments import split_into_segments


def list_attended(windows: Sequence[DecodedWhisperWindow], tokenizer: Tokenizer) -> tuple[Attended, ...]:
    """Return where the tokens of the best text looked, in seconds from the start of the utterance.

    Raises:
        ConfigError: the library of the model does not say.
    """
    tokens, positions = list[int](), list[float]()
    for window in sorted(windows, key=lambda window: window.start):
        if window.is_silence or not window.candidates:
            continue
        pieces, _ = split_into_segments(window.candidates[0].tokens, tokenizer, window.frames)
        own = [token for piece in pieces for token in piece.tokens]
        attended = () if window.alignment is None else window.alignment.attended
        if len(attended) < len(own):
            raise ConfigError(
                "policy alignatt: expected a Whisper of backend whisper or transformers, whose attention is "
                "known, found another: choose local_agreement"
            )
        tokens += own
        positions += [window.start + each for each in attended]
    ends = [len(tokenizer.decode(tokens[: n + 1]).lstrip()) for n in range(len(tokens))]
    return tuple(map(Attended, ends, positions))
