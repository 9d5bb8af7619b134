"""Token scorers from encoder-decoder models that read speech: Moonshine, Speech2Text, SeamlessM4T, Canary.

Every recording goes through the encoder alone, without padding, and its states are padded afterwards: some
encoders normalize over the whole length (Moonshine), so that padding would change the texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import BatchFeature

from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.models.seq2seq_scorer import Seq2SeqScorer


class SpeechSeq2SeqScorer(Seq2SeqScorer):
    """The :class:`.scorers.TokenScorer` of a batch of recordings.

    Args:
        ready: the model.
        recordings: of each recording what the encoder reads, as a batch of one.
        start: the decoder's first tokens, the same for all.
    """

    def __init__(
        self, ready: Seq2SeqModel, recordings: Sequence[dict[str, Tensor]], start: tuple[int, ...]
    ) -> None:
        super().__init__(ready, {}, torch.tensor(start))
        self._recordings = recordings
        self._encoder_mask: Tensor | None = None

    @property
    def utterances(self) -> int:
        """Number of recordings."""
        return len(self._recordings)

    @torch.inference_mode()
    def encode(self) -> None:
        """Run the encoder over every recording, and pad its states and masks to the longest."""
        model = self._ready.model
        encoder = model.get_encoder()
        states, masks, encoder_masks = [], [], []
        output: Any = None
        for recording in self._recordings:
            inputs = BatchFeature(recording).to(model.device, model.dtype)
            output = encoder(**inputs, return_dict=True)
            states.append(output.last_hidden_state[0])
            mask = inputs.get("attention_mask")
            masks.append(_all_ones(states[-1]) if mask is None else mask[0])
            encoder_mask = getattr(output, "attention_mask", None)
            encoder_masks.append(_all_ones(states[-1]) if encoder_mask is None else encoder_mask[0].long())
        self._output = type(output)
        self._has_mask = "attention_mask" in {field.name for field in fields(output)}
        self._encoded = pad_sequence(states, batch_first=True)
        self._mask = pad_sequence(masks, batch_first=True)
        self._encoder_mask = pad_sequence(encoder_masks, batch_first=True)

    def _start_rows(self) -> None:
        mask = self._mask
        super()._start_rows()
        self._mask = mask  # these models count the frames in it, so it keeps two dimensions on every device

    def _keep_sources(self, rows: Tensor) -> None:
        super()._keep_sources(rows)
        self._encoder_mask = None if self._encoder_mask is None else self._encoder_mask[rows]

    def _encoder_outputs(self) -> Any:
        extra: dict[str, Any] = {"attention_mask": self._encoder_mask} if self._has_mask else {}
        return self._output(last_hidden_state=self._encoded, **extra)


def _all_ones(states: Tensor) -> Tensor:
    return torch.ones(len(states), dtype=torch.long, device=states.device)
