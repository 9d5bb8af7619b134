"""Members from transformers' encoder-decoder models: Marian, M2M/NLLB, mBART, T5, Whisper.

The encoder runs once; the keys and values of its output are computed once per utterance and shared by its
beams; self-attention grows in place. Only the last position's logits are computed.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import MarianMTModel
from transformers.modeling_outputs import BaseModelOutput

from components.decoding import caches
from components.decoding.attention import share_attention
from components.decoding.fusing import fuse
from components.decoding.generation import as_tuple, eos_of, say_ignored, setting
from components.decoding.joining import join
from components.decoding.marian import MarianRows
from components.decoding.members import Vocabulary
from components.decoding.prepack import prepack
from components.errors import ConfigError
from components.kernels import Arithmetic

UNBOUNDED = 1 << 20
"""Limit of models with relative positions, which have no largest one."""


class Seq2SeqModel:
    """A loaded encoder-decoder model, made ready for batched decoding.

    ``arithmetic`` lays the linear weights out for the CPU, in place: afterwards the model can be run but not
    saved or trained. ``digest`` identifies the vocabulary (see :func:`components.decoding.digest_of`).
    """

    def __init__(self, model: Any, digest: str, name: str, arithmetic: Arithmetic | None = None) -> None:
        say_ignored(model, name)
        self.model = model.eval()
        self.name = name
        self.shared = share_attention(model)
        self.marian = False
        self.split = _is_split(model)
        self.bias: Tensor | None = model.final_logits_bias if self.split else None
        self.cache_argument = caches.cache_argument(model)
        head = model.get_output_embeddings()
        start, pad = setting(model, "decoder_start_token_id"), setting(model, "pad_token_id")
        if start is None:
            raise ConfigError(
                f"{name}: expected decoder_start_token_id in its generation settings, found none"
            )
        self.start = as_tuple(start)[:1]
        eos = eos_of(model)
        self.vocabulary = Vocabulary(
            int(head.weight.shape[0]), eos, eos[0] if pad is None else int(pad), digest
        )
        limits = ("max_decoder_position_embeddings", "max_position_embeddings")  # the first is LED's
        self.positions = next((int(n) for name in limits if (n := getattr(model.config, name, 0))), UNBOUNDED)
        if arithmetic is not None:
            if self.split:  # the packed layer adds the bias as it goes
                model.lm_head.bias, self.bias = nn.Parameter(model.final_logits_bias[0]), None
            joined = join(model, arithmetic)
            fuse(model, arithmetic)
            prepack(model, arithmetic)
            self.marian = type(model) is MarianMTModel and joined > 0

    def member(self, *, start: tuple[int, ...] | None = None, **inputs: Tensor) -> Seq2SeqMember:
        """A member for the utterances of ``inputs`` (``input_ids`` and ``attention_mask``, or features).

        ``start`` are the decoder's first tokens, the same for all; by default its start token.
        """
        kind = MarianMember if self.marian else Seq2SeqMember
        return kind(self, inputs, start or self.start)

    def scores(self, first: int, **step: Any) -> Tensor:
        """Scores (R, t, V), float32, after the tokens from ``first`` on of ``step``, the model's input."""
        if not self.split:
            logits: Tensor = self.model(**step).logits[:, first:]
            return logits.float()
        hidden = self.model.model(**step).last_hidden_state[:, first:]
        scores: Tensor = self.model.lm_head(hidden).float()
        return scores if self.bias is None else scores + self.bias


def _is_split(model: Any) -> bool:
    """Whether its scores are known to be ``lm_head(model(...)) + final_logits_bias``: Marian, mBART and BART.

    Taken apart, only the last position is scored, and no pass over all scores is needed to add the bias.
    """
    known = type(model).__module__.startswith("transformers.")
    return known and hasattr(model, "final_logits_bias") and hasattr(model, "model")


class Seq2SeqMember:
    """One batch of utterances in one encoder-decoder model; see :class:`components.decoding.Member`."""

    def __init__(self, ready: Seq2SeqModel, inputs: dict[str, Tensor], start: tuple[int, ...]) -> None:
        self.name, self.vocabulary = ready.name, ready.vocabulary
        self.limit = ready.positions - len(start) + 1
        self._ready = ready
        self._inputs = inputs
        self._start = start
        self._mask: Tensor | None = inputs.get("attention_mask")
        self._output: Any = BaseModelOutput

    def whole(self) -> Seq2SeqMember:
        """The same in transformers' own forward pass, such as dropout needs."""
        return Seq2SeqMember(self._ready, self._inputs, self._start)

    @property
    def utterances(self) -> int:
        """How many utterances it was prepared for."""
        return len(next(iter(self._inputs.values())))

    @torch.inference_mode()
    def begin(self) -> Tensor:
        """Run the encoder and the start tokens."""
        self.encode()
        return self.start()

    @torch.inference_mode()
    def encode(self) -> None:
        """Run the encoder."""
        output = self._ready.model.get_encoder()(**self._inputs, return_dict=True)
        self._encoded, self._output = output.last_hidden_state, type(output)

    @torch.inference_mode()
    def start(self) -> Tensor:
        """Run the start tokens over the encoder's output."""
        n = self._encoded.shape[0]
        device = self._encoded.device
        self._cache = caches.encoder_decoder_cache()
        self._utterances = torch.arange(n, device=device)
        self._held = self._utterances
        if self._mask is not None and bool(self._mask.all()):
            self._mask = None
        return self._step(torch.tensor(self._start, device=device).repeat(n, 1), -1)[:, 0]

    @torch.inference_mode()
    def advance(self, parents: Tensor, tokens: Tensor) -> Tensor:
        """Reorder the caches and run one position."""
        return self.stride(parents, tokens[:, None])

    @torch.inference_mode()
    def stride(self, parents: Tensor, tokens: Tensor) -> Tensor:
        """Reorder the caches and run the positions of ``tokens`` (R, t)."""
        self._follow(parents)
        return self._step(tokens, -1)[:, 0]

    @torch.inference_mode()
    def read(self, parents: Tensor, tokens: Tensor) -> Tensor:
        """The same with the scores after every token, (R, t, V)."""
        self._follow(parents)
        return self._step(tokens, 0)

    def _follow(self, parents: Tensor) -> None:
        caches.follow(self._cache.self_attention_cache, parents, len(self._utterances))
        self._utterances = self._utterances[parents]
        self._hold(self._sources())

    def _sources(self) -> Tensor:
        """The utterances whose keys are needed: one each if all have equally many rows, else one per row."""
        if not self._ready.shared:
            return self._utterances
        present, counts = torch.unique_consecutive(self._utterances, return_counts=True)
        return present if bool((counts == counts[0]).all()) else self._utterances

    def _hold(self, wanted: Tensor) -> None:
        if len(wanted) == len(self._held) and bool((wanted == self._held).all()):
            return
        # Every wanted utterance is held, in order, so its place is found by bisection.
        rows = torch.searchsorted(self._held, wanted)
        caches.select(self._cache.cross_attention_cache, rows)
        self._encoded = self._encoded[rows]
        self._mask = None if self._mask is None else self._mask[rows]
        self._held = wanted

    def _step(self, tokens: Tensor, first: int) -> Tensor:
        return self._ready.scores(
            first,
            encoder_outputs=self._output(last_hidden_state=self._encoded),  # sparse ones have more fields
            attention_mask=self._mask,
            decoder_input_ids=tokens,
            use_cache=True,
            **{self._ready.cache_argument: self._cache},
        )


class MarianMember(Seq2SeqMember):
    """The same in our own decoder, for Marian models on packed layers."""

    @torch.inference_mode()
    def start(self) -> Tensor:
        """Run the start tokens over the encoder's output."""
        mask = None if self._mask is None or bool(self._mask.all()) else self._mask
        self._rows = MarianRows(self._ready.model, self._encoded, mask)
        return self._step(torch.tensor(self._start).repeat(len(self._encoded), 1), -1)[:, 0]

    def _follow(self, parents: Tensor) -> None:
        self._rows.follow(parents)

    def _step(self, tokens: Tensor, first: int) -> Tensor:
        scores: Tensor = self._ready.model.lm_head(self._rows.step(tokens)[:, first:])
        return scores
