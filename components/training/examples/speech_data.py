"""Speech with transcripts, as Whisper is trained on it: features of 30 s, and tokens behind a prompt."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from components import audio, data
from components.compute.openai_whisper import Tokenizer, find_language, get_tokenizer
from components.errors import DataError
from components.recognition.whisper.windows.features import compute_log_mel, cut_window
from components.records import Utterance
from components.text.languages import two_letters_of

MAX_SECONDS = 30.0
SECONDS_PER_TIMESTAMP = 0.02
_log = logging.getLogger("antiphon.training")


class SpeechExample(NamedTuple):
    """A recording and its transcript as tokens.

    Attributes:
        utterance: has the audio.
        prompt: what the decoder begins with: start, language and task, and whether there are timestamps.
        target: the tokens after it; the last is the end of the text.
    """

    utterance: Utterance
    prompt: tuple[int, ...]
    target: tuple[int, ...]


class SpeechBatch(NamedTuple):
    """A padded batch of N recordings.

    Attributes:
        sound: log-mel features (N, n_mels, 3000), or what an encoder that is not trained makes of them
            (N, 1500, d_model).
        inputs: the decoder's inputs (N, T).
        labels: what each position predicts (N, T); -100 in the prompt and at padding.
    """

    sound: Tensor
    inputs: Tensor
    labels: Tensor

    def map(self, change: Callable[[Tensor], Tensor]) -> SpeechBatch:
        """Return the batch with every tensor changed."""
        return SpeechBatch(*map(change, self))


def load_utterances(source: str, languages: tuple[str, str], limit: int | None = None) -> list[Utterance]:
    """Load the utterances of a data set that have at most 30 s of audio, and a transcript.

    Raises:
        DataError: There is none.
    """
    dataset = data.load(source, source_language=languages[0], target_language=languages[1], limit=limit)
    usable = [u for u in dataset.utterances if u.audio and u.transcript and u.audio.seconds <= MAX_SECONDS]
    if not usable:
        raise DataError(
            f"{source}: expected speech of at most {MAX_SECONDS:g} s with transcripts, found none in "
            f"{len(dataset.utterances)} utterances"
        )
    if left_out := len(dataset.utterances) - len(usable):
        _log.warning(
            "%s: %d of %d utterances are left out: no audio, no transcript, or more than %g s",
            *(source, left_out, len(dataset.utterances), MAX_SECONDS),
        )
    return usable


def encode(
    utterances: Sequence[Utterance], vocabulary: int, max_tokens: int, *, timestamps: bool
) -> list[SpeechExample]:
    """Turn transcripts into tokens; what is longer than the decoder reads is left out.

    Args:
        utterances: with transcripts.
        vocabulary: size of the model's, by which openai-whisper knows its tokenizer.
        max_tokens: of prompt and target.
        timestamps: whether every second example has the times of its begin and end, so that a fine-tuned
            model keeps both ways to write (Whisper was trained on both).

    Raises:
        DataError: Nothing is left, or an utterance is in a language that the model does not know.
    """
    examples = [
        _encode(utterance, _tokenizer_of(utterance, vocabulary), timestamps=timestamps and number % 2 == 1)
        for number, utterance in enumerate(utterances)
    ]
    short = [e for e in examples if len(e.prompt) + len(e.target) <= max_tokens]
    if not short:
        raise DataError(f"expected transcripts of at most {max_tokens} tokens, found {len(examples)} longer")
    if left_out := len(examples) - len(short):
        _log.warning(
            "%d of %d transcripts are left out: more than %d tokens with their prompt",
            *(left_out, len(examples), max_tokens),
        )
    return short


def _encode(utterance: Utterance, tokenizer: Tokenizer, *, timestamps: bool) -> SpeechExample:
    text = tokenizer.encode(f" {str(utterance.transcript).strip()}")
    if not timestamps:
        return SpeechExample(
            utterance, (*tokenizer.sot_sequence, tokenizer.no_timestamps), (*text, tokenizer.eot)
        )
    assert utterance.audio is not None  # load_utterances
    end = tokenizer.timestamp_begin + round(utterance.audio.seconds / SECONDS_PER_TIMESTAMP)
    return SpeechExample(
        utterance, tuple(tokenizer.sot_sequence), (tokenizer.timestamp_begin, *text, end, tokenizer.eot)
    )


def _tokenizer_of(utterance: Utterance, vocabulary: int) -> Tokenizer:
    multilingual = vocabulary >= 51865
    languages = vocabulary - 51765 - int(multilingual)
    code = find_language(two_letters_of(utterance.source_language), languages)
    if multilingual and code is None:
        raise DataError(
            f"{utterance.id}: expected speech in a language that the model knows, found "
            f"{utterance.source_language!r}; state its language, or leave it out"
        )
    return get_tokenizer(
        multilingual, num_languages=languages, language=code if multilingual else None, task="transcribe"
    )


def decode_text(tokens: Sequence[int], utterance: Utterance, vocabulary: int) -> str:
    """Return the text of tokens, without the special ones."""
    tokenizer = _tokenizer_of(utterance, vocabulary)
    text: str = tokenizer.decode([token for token in tokens if token < tokenizer.eot])
    return text.strip()


def collate(examples: Sequence[SpeechExample], sound: Tensor) -> SpeechBatch:
    """Pad the tokens of examples beside their sound (N, ...)."""
    rows = [(*e.prompt, *e.target) for e in examples]
    labels = [(*[-100] * (len(e.prompt) - 1), *e.target) for e in examples]
    width = max(map(len, rows)) - 1
    end = examples[0].target[-1]
    return SpeechBatch(
        sound,
        torch.tensor([[*row[:-1], *[end] * (width - len(row) + 1)] for row in rows]),
        torch.tensor([[*row, *[-100] * (width - len(row))] for row in labels]),
    )


def read_features(examples: Sequence[SpeechExample], n_mels: int) -> Tensor:
    """Read the audio of examples as log-mel features (N, n_mels, 3000)."""
    rows = []
    for example in examples:
        assert example.utterance.audio is not None  # load_utterances
        rows.append(cut_window(compute_log_mel(audio.decode(example.utterance.audio), n_mels), 0))
    return torch.stack(rows)
