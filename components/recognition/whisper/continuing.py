"""Whisper goes on with a transcript that is begun, and says what its tokens attended to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from components.compute.openai_whisper import Tokenizer
from components.decoding.searches.forced_prefix import BegunText
from components.errors import ConfigError
from components.nodes.continuing import Attended, Continued
from components.recognition.config import RecognitionConfig
from components.recognition.whisper.windows.decoding_state import (
    DecodedWhisperWindow,
    UtteranceState,
    WindowStream,
)
from components.recognition.whisper.windows.opening import OpenedUtterance
from components.recognition.whisper.words.segments import split_into_segments
from components.records import Outcome, Quarantined
from components.text.languages import without_spaces

Outcomes = dict[int, Outcome]


def go_on(
    opened: OpenedUtterance,
    written: str,
    *,
    attends: bool,
    config: RecognitionConfig,
    tokenizer_of: Callable[[UtteranceState], Tokenizer],
    admit: Callable[[Outcomes, OpenedUtterance], Sequence[WindowStream]],
    decode: Callable[[list[WindowStream], Outcomes], list[WindowStream]],
) -> Continued:
    """Recognize an utterance whose first window's text is begun; see :data:`.continuing.GoOn`.

    Args:
        opened: the utterance.
        written: what its text begins with.
        attends: whether to say what was attended to.
        config: of the recognizer.
        tokenizer_of: an utterance's tokenizer.
        admit: gives its windows, or its outcome where it has none.
        decode: decodes the present windows; gives those that are left.

    Raises:
        ConfigError: what was attended to is not known.
    """
    state, outcomes = opened.state, Outcomes()
    if isinstance(state, UtteranceState):
        state.begun, state.attends = _begin(written, state, tokenizer_of(state), config), attends
    streams = list(admit(outcomes, opened))
    while streams:
        streams = decode(streams, outcomes)
    if not attends or not isinstance(state, UtteranceState) or isinstance(outcomes[0], Quarantined):
        return Continued(outcomes[0])
    return Continued(outcomes[0], _list_attended(state.windows, tokenizer_of(state)))


def _begin(
    written: str, state: UtteranceState, tokenizer: Tokenizer, config: RecognitionConfig
) -> BegunText | None:
    """Return what a window's text begins with; None where nothing is written, or too much."""
    if not written:
        return None
    is_spaced = not without_spaces(state.utterance.source_language)
    text = tokenizer.encode(f" {written}" if is_spaced else written)
    tokens = [*([tokenizer.timestamp_begin] if config.timestamps else []), *text]
    inner = _list_inner_tokens(tokenizer.encoding, tokenizer.eot) if is_spaced else ()
    return BegunText(tuple(tokens), inner) if len(tokens) < config.max_tokens else None


@cache
def _list_inner_tokens(encoding: Any, n: int) -> tuple[int, ...]:
    """Return those of the first ``n`` tokens that do not begin with a space."""
    pieces = map(encoding.decode_single_token_bytes, range(n))
    return tuple(token for token, piece in enumerate(pieces) if not piece.startswith(b" "))


def _list_attended(windows: Sequence[DecodedWhisperWindow], tokenizer: Tokenizer) -> tuple[Attended, ...]:
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
                "expected a Whisper of backend whisper or transformers, whose attention is known, "
                "found another"
            )
        tokens += own
        positions += [window.start + each for each in attended]
    ends = [len(tokenizer.decode(tokens[: n + 1]).lstrip()) for n in range(len(tokens))]
    return tuple(map(Attended, ends, positions))
