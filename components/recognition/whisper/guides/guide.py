"""The interface of what guides Whisper's search beside the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from components.compute.openai_whisper import Tokenizer
from components.decoding.constraints.logits_processors import LogitsProcessor
from components.recognition.whisper.windows.decoding_state import WindowStream


class Guide(Protocol):
    """Gives the bias of one search over the present windows of streams."""

    def build_bias(
        self, streams: Sequence[WindowStream], tokenizer: Tokenizer, n_vocab: int
    ) -> LogitsProcessor | None:
        """Return the bias; None where there is none."""
