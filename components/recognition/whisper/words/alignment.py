"""When each token of a text is said: cross-attention of the alignment heads and dynamic time warping.

The method is that of openai-whisper's ``find_alignment``: the text is read once without timestamps; the
attention of heads that follow the audio is normalized over the tokens and smoothed over time; a monotone path
through its mean gives every token the frame where it begins. The audio's positions come first among the
encoder's and are never summarized, so that less padding moves nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from components.compute.openai_whisper import TOKENS_PER_SECOND, Tokenizer
from components.decoding.candidates import Candidate
from components.recognition.whisper.backend import TokenAlignment
from components.recognition.whisper.word_timer import ReadTexts
from components.recognition.whisper.words.segments import FRAMES_PER_STAMP, text_positions
from components.recognition.whisper.words.time_warping import filter_median, warp


def align(
    read: ReadTexts,
    candidates: Sequence[Candidate],
    prompts: Tensor,
    frames: Sequence[int],
    tokenizer: Tokenizer,
    context: int,
) -> list[TokenAlignment]:
    """Align the texts of N windows to their audio.

    Args:
        read: runs the model over whole sequences.
        candidates: each window's text, with the log-probabilities of its tokens.
        prompts: what they were decoded with, (N, P).
        frames: frames (10 ms) of audio in each window.
        tokenizer: names the special tokens.
        context: positions of the decoder.
    """
    positions = [text_positions(c.tokens, tokenizer, n) for c, n in zip(candidates, frames, strict=True)]
    texts = [[c.tokens[i] for i in where] for c, where in zip(candidates, positions, strict=True)]
    starts = [start_sequence(prompt, tokenizer) for prompt in prompts.tolist()]
    attention = _attend(read, starts, texts, frames, tokenizer, context)
    return [
        TokenAlignment(_time_tokens(rows), tuple(c.log_probs[i] for i in where), _find_peaks(rows))
        for rows, c, where in zip(attention, candidates, positions, strict=True)
    ]


def start_sequence(prompt: Sequence[int], tokenizer: Tokenizer) -> list[int]:
    """Return the tokens of a prompt that name language and task, from start-of-transcript on."""
    sequence = list(prompt[list(prompt).index(tokenizer.sot) :])
    return [token for token in sequence if token != tokenizer.no_timestamps]


def _attend(
    read: ReadTexts,
    starts: Sequence[list[int]],
    texts: Sequence[list[int]],
    frames: Sequence[int],
    tokenizer: Tokenizer,
    context: int,
) -> list[Tensor]:
    """Return how much each token of each text, and what follows the last one, attends where: (t + 1, T) each.

    Of an empty text it is a scalar.
    """
    spoken = [i for i, text in enumerate(texts) if text]
    if not spoken:
        return [torch.zeros(())] * len(texts)
    sequences = [
        torch.tensor([*start, tokenizer.no_timestamps, *text, tokenizer.eot][:context])
        for start, text in zip(starts, texts, strict=True)
    ]
    first = len(starts[0])
    sums: list[Tensor] = [torch.zeros(())] * len(texts)
    for scores in read(pad_sequence(sequences, batch_first=True, padding_value=tokenizer.eot)):
        for i in spoken:
            own = scores[i, :, : len(sequences[i]), : max(1, frames[i] // FRAMES_PER_STAMP)]
            rows = emphasize(own, slice(first, first + len(texts[i]) + 1))
            sums[i] = sums[i].to(rows.device) + rows.sum(0)
    return [attention.cpu() for attention in sums]


def _time_tokens(attention: Tensor) -> tuple[float, ...]:
    """When each token of a text begins, and when its last one ends (0 of an empty text), in seconds."""
    columns = warp(-attention.numpy()).tolist() if attention.ndim else [0]
    return tuple(column / TOKENS_PER_SECOND for column in columns)


def _find_peaks(attention: Tensor) -> tuple[float, ...]:
    """Return what each token of a text attends to most, in seconds (Papi et al. 2023, AlignAtt)."""
    columns = attention[:-1].argmax(-1).tolist() if attention.ndim else []
    return tuple(column / TOKENS_PER_SECOND for column in columns)


def emphasize(scores: Tensor, rows: slice) -> Tensor:
    """Return how much more than others each of ``rows`` attends where, by scores (h, t, T), smoothed."""
    weights = scores.float().softmax(-1)
    deviation, mean = torch.std_mean(weights, dim=-2, keepdim=True, unbiased=False)
    return filter_median(((weights[:, rows] - mean) / deviation).nan_to_num())
