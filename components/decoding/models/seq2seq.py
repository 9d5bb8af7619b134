"""Token scorers from transformers' encoder-decoder models: Marian, M2M/NLLB, mBART, T5, Whisper.

The encoder runs once; the keys and values of its output are computed once per utterance and shared by its
beams; self-attention grows in place. Only the last position's logits are computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import MarianMTModel
from transformers.modeling_outputs import BaseModelOutput

from components.decoding.generation_settings import (
    as_tuple,
    eos_of,
    generation_setting,
    warn_about_ignored_settings,
)
from components.decoding.models import kv_cache
from components.decoding.models.beam_cache import BeamCache, attend_to
from components.decoding.models.marian import MarianDecoderState
from components.decoding.models.marian_stack import StackedMarianScorers, stack_models
from components.decoding.models.shared_attention import share_attention
from components.decoding.moves import Move, Rows
from components.decoding.scorers import Vocabulary, common_count
from components.errors import ConfigError, ModelError
from components.kernels import Arithmetic
from components.kernels.fused_mlp import fuse_mlp
from components.kernels.fused_qkv import fuse_qkv
from components.kernels.packed_linear import prepack

UNBOUNDED = 1 << 20
"""Number of positions of models with relative positions, which have no largest one."""


_REFUSED = frozenset({"prophetnet", "xlm-prophetnet"})
"""Model types whose decoder takes no rows that are reordered between steps."""


class Seq2SeqModel:
    """A loaded encoder-decoder model, prepared for batched decoding.

    Attributes:
        vocabulary: Its output tokens.
        positions: The largest number of positions of the decoder.
        start: The decoder's start token.
        shares_attention: Whether the rows of an utterance share its cross-attention keys.
        shares_cache: Whether they can share a cache of self-attention, too (:mod:`.beam_cache`).
        has_own_decoder: Whether it is decoded by :mod:`.marian`.
        is_stackable: Whether it is decoded by :mod:`.marian_stack`, alone or with its like.
        scores_hidden_states: Whether hidden states are turned into scores here, not in the model's forward.
    """

    def __init__(self, model: Any, digest: str, name: str, arithmetic: Arithmetic | None = None) -> None:
        """Prepare ``model``.

        Args:
            model: An encoder-decoder model of transformers.
            digest: Of its vocabulary (see :func:`components.decoding.scorers.digest_of`).
            name: How messages name it.
            arithmetic: Pack the linear layers for the CPU with this arithmetic, in place: afterwards the
                model can be run, but not saved or trained. None leaves them as they are.

        Raises:
            ConfigError: Its settings name no start token or no eos token.
            ModelError: It cannot be searched.
        """
        if model.config.model_type in _REFUSED:
            raise ModelError(
                f"{name}: expected an encoder-decoder model whose decoder can be searched, found a "
                f"{model.config.model_type}, which predicts several tokens at once: use another"
            )
        warn_about_ignored_settings(model, name)
        self.model = model.eval()
        self.name = name
        self.shares_attention = share_attention(model)
        # Relative positions are a bias on each key, which rows that share keys cannot have in common.
        self.shares_cache = self.shares_attention and not hasattr(
            model.config, "relative_attention_num_buckets"
        )
        self.has_own_decoder = False
        self.is_stackable = type(model) is MarianMTModel and model.device.type != "cpu"
        self.scores_hidden_states = _can_score_hidden_states(model)
        self.bias: Tensor | None = model.final_logits_bias if self.scores_hidden_states else None
        self.cache_argument = kv_cache.cache_argument(model)
        head = model.get_output_embeddings()
        start, pad = (
            generation_setting(model, "decoder_start_token_id"),
            generation_setting(model, "pad_token_id"),
        )
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
            if self.scores_hidden_states:  # the packed layer adds the bias as it goes
                model.lm_head.bias, self.bias = nn.Parameter(model.final_logits_bias[0]), None
            n_fused = fuse_qkv(model, arithmetic)
            fuse_mlp(model, arithmetic)
            prepack(model, arithmetic)
            self.has_own_decoder = type(model) is MarianMTModel and n_fused > 0

    def build_scorer(
        self, *, start: tuple[int, ...] | Tensor | None = None, **inputs: Tensor
    ) -> Seq2SeqScorer:
        """A token scorer for a batch of utterances.

        Args:
            start: The decoder's first tokens, the same for all or (N, t); default: its start token.
            inputs: The encoder's inputs: ``input_ids`` and ``attention_mask`` (N, S), or features.

        Returns:
            A scorer for one search.
        """
        kind = MarianScorer if self.has_own_decoder else Seq2SeqScorer
        first = torch.tensor(self.start) if start is None else torch.as_tensor(start)
        if self.is_stackable and first.ndim == 1:  # off the CPU, where all rows begin alike
            kind = DeviceMarianScorer
        return kind(self, inputs, first)

    def scores(self, first: int, **step: Any) -> Tensor:
        """Run the decoder.

        Args:
            first: The first position whose scores are needed; -1: only the last.
            step: The model's inputs.

        Returns:
            Scores (R, t, V), float32.
        """
        if not self.scores_hidden_states:
            logits: Tensor = self.model(**step).logits[:, first:]
            return logits.float()
        hidden = self.model.model(**step).last_hidden_state[:, first:]
        scores: Tensor = self.model.lm_head(hidden).float()
        return scores if self.bias is None else scores + self.bias


def _can_score_hidden_states(model: Any) -> bool:
    """Whether its scores are ``lm_head(model(...)) + final_logits_bias``, as Marian's, mBART's and BART's.

    Computed in these two parts only the last position is scored, and the bias costs no pass over all scores.
    """
    is_of_transformers = type(model).__module__.startswith("transformers.")
    return is_of_transformers and hasattr(model, "final_logits_bias") and hasattr(model, "model")


class Seq2SeqScorer:
    """The :class:`.scorers.TokenScorer` of a batch of utterances in an encoder-decoder model."""

    is_ragged = False
    """Decoders of transformers count positions from the length of the cache, which all rows share."""

    def __init__(self, ready: Seq2SeqModel, inputs: dict[str, Tensor], start: Tensor) -> None:
        self.name, self.vocabulary = ready.name, ready.vocabulary
        self.limit = ready.positions - start.shape[-1] + 1
        self._ready = ready
        self._inputs = inputs
        self._start = start
        self._mask: Tensor | None = inputs.get("attention_mask")
        self._output: Any = BaseModelOutput

    def as_transformers_scorer(self) -> Seq2SeqScorer:
        """The same in transformers' own forward pass, which dropout needs."""
        return Seq2SeqScorer(self._ready, self._inputs, self._start)

    @property
    def utterances(self) -> int:
        """Number of utterances it was prepared for."""
        return len(next(iter(self._inputs.values())))

    @torch.inference_mode()
    def prefill(self) -> Tensor:
        """Run the encoder and the start tokens; see :meth:`.TokenScorer.prefill`."""
        self.encode()
        return self.prefill_decoder()

    @torch.inference_mode()
    def encode(self) -> None:
        """Run the encoder."""
        output = self._ready.model.get_encoder()(**self._inputs, return_dict=True)
        self._encoded, self._output = output.last_hidden_state, type(output)

    @torch.inference_mode()
    def prefill_decoder(self) -> Tensor:
        """Run the start tokens; returns scores (N, V)."""
        if self._mask is not None and bool(self._mask.all()):
            self._mask = None
        self._start_rows()
        start = self._start.to(self._encoded.device).expand(len(self._encoded), -1)
        return self._run_decoder(start, -1)[:, 0]

    def _start_rows(self) -> None:
        """One row for each encoded utterance, with empty caches."""
        self.rows = Rows(len(self._encoded), self._encoded.device)
        self._beam_cache: BeamCache | None = None
        if self._ready.shares_cache and self._encoded.device.type != "cpu":
            self._beam_cache = BeamCache(self.rows)
        self._cache = kv_cache.encoder_decoder_cache(self._beam_cache)
        self._has_source_per_row = False
        if self._mask is not None and self._mask.device.type != "cpu":
            # With four dimensions it is taken as it is; else it would be looked at in every step.
            self._mask = self._mask[:, None, None].bool()

    def follow(self, move: Move) -> None:
        """See :class:`components.decoding.moves.FollowsMoves`."""
        self.rows.announce(move)

    @torch.inference_mode()
    def step(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Reorder the caches and run one position; see :meth:`.TokenScorer.step`."""
        return self.step_many(beam_indices, tokens[:, None])

    @torch.inference_mode()
    def step_many(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Reorder the caches and run the positions of ``tokens`` (R, t); returns (R, V)."""
        self._reorder(beam_indices)
        return self._run_decoder(tokens, -1)[:, 0]

    @torch.inference_mode()
    def score_tokens(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """The same with the scores after every token, (R, t, V)."""
        self._reorder(beam_indices)
        return self._run_decoder(tokens, 0)

    @torch.inference_mode()
    def retract(self, counts: Tensor) -> None:
        """Forget the last ``counts`` (R,), all equal, tokens; see :meth:`.RetractableScorer.retract`."""
        if self._beam_cache is not None:
            self._beam_cache.retract(common_count(counts))
        else:
            kv_cache.shorten(self._cache.self_attention_cache, common_count(counts))

    @torch.inference_mode()
    def score_prefixes(self, utterances: Tensor, tokens: Tensor) -> Tensor:
        """Scores (R, V) after ``tokens`` (R, t), without the cache; see :class:`.PrefixScorer`."""
        device = self._encoded.device
        utterances, tokens = utterances.to(device), tokens.to(device)
        start = self._start.to(device).expand(len(tokens), -1)
        return self._ready.scores(
            -1,
            encoder_outputs=self._output(last_hidden_state=self._encoded[utterances]),
            attention_mask=None if self._mask is None else self._mask[utterances],
            decoder_input_ids=torch.cat([start, tokens], dim=1),
            use_cache=False,
        )[:, 0]

    def _reorder(self, beam_indices: Tensor) -> None:
        before = (self.rows.n, self.rows.b, self.rows.cells)
        move = self.rows.move(beam_indices)
        if self._beam_cache is not None:
            self._beam_cache.reorder(move)
        elif not move.is_identity:
            kv_cache.reorder(self._cache.self_attention_cache, beam_indices)
        self._select_sources(move, move.cells is None and before == (move.n, move.b, None))

    def _select_sources(self, move: Move, is_same_grid: bool) -> None:
        """Keep the sources that rows attend to: once each if all have as many rows, else once per row."""
        per_row = move.cells is not None or not self._ready.shares_attention
        if per_row == self._has_source_per_row:
            if move.is_identity or (is_same_grid and move.kept is None):
                return
            rows = move.beam_indices if per_row else move.kept
        elif per_row:
            rows = move.owners if move.kept is None else move.kept[move.owners]
        else:
            rows = move.beam_indices[:: move.b]
        if rows is None:
            return
        self._keep_sources(rows)
        self._has_source_per_row = per_row

    def _keep_sources(self, rows: Tensor) -> None:
        kv_cache.select_rows(self._cache.cross_attention_cache, rows)
        self._encoded = self._encoded[rows]
        self._mask = None if self._mask is None else self._mask[rows]

    def _encoder_outputs(self) -> Any:
        return self._output(last_hidden_state=self._encoded)  # sparse ones have more fields

    def _run_decoder(self, tokens: Tensor, first: int) -> Tensor:
        options: dict[str, Any] = {self._ready.cache_argument: self._cache}
        if self._beam_cache is not None:
            self._beam_cache.start_step(tokens.shape[1])
            options["decoder_attention_mask"] = self._beam_cache.mask
        with attend_to(self._beam_cache):
            return self._ready.scores(
                first,
                encoder_outputs=self._encoder_outputs(),
                attention_mask=self._mask,
                decoder_input_ids=tokens,
                use_cache=True,
                **options,
            )


class MarianScorer(Seq2SeqScorer):
    """The same on :class:`.marian.MarianDecoderState`, for Marian models with packed layers."""

    is_ragged = True

    @torch.inference_mode()
    def prefill_decoder(self) -> Tensor:
        """Run the start tokens; returns scores (N, V)."""
        mask = None if self._mask is None or bool(self._mask.all()) else self._mask
        self._state = MarianDecoderState(self._ready.model, self._encoded, mask)
        return self._run_decoder(self._start.expand(len(self._encoded), -1), -1)[:, 0]

    @torch.inference_mode()
    def retract(self, counts: Tensor) -> None:
        """Forget the last ``counts[r]`` tokens of row r; see :meth:`.RetractableScorer.retract`."""
        self._state.retract(counts)

    def _reorder(self, beam_indices: Tensor) -> None:
        self._state.reorder(beam_indices)

    def _run_decoder(self, tokens: Tensor, first: int) -> Tensor:
        scores: Tensor = self._ready.model.lm_head(self._state.step(tokens)[:, first:])
        return scores


class DeviceMarianScorer(Seq2SeqScorer):
    """The same off the CPU, on :mod:`.marian_stack`: alone, or with other members in one pass."""

    @property
    def start(self) -> Tensor:
        """The decoder's first tokens, (t,) or (N, t)."""
        return self._start

    def encode_source(self) -> tuple[Tensor, Tensor | None]:
        """Run the encoder: its output (N, S, d), and the mask (N, S) where there is padding."""
        self.encode()
        mask = None if self._mask is None or bool(self._mask.all()) else self._mask
        return self._encoded, mask

    def stack(self, others: Sequence[object]) -> StackedMarianScorers | None:
        """This member and the others as one; None where they differ in kind, architecture or start."""
        members = [self, *(other for other in others if isinstance(other, DeviceMarianScorer))]
        if len(members) <= len(others) or not all(
            torch.equal(member.start, self.start) for member in members
        ):
            return None
        stack = stack_models([member._ready.model for member in members])
        return None if stack is None else StackedMarianScorers(stack, members)

    @torch.inference_mode()
    def prefill(self) -> Tensor:
        """Run the encoder and the start tokens; returns scores (N, V)."""
        alone = self.stack([])
        assert alone is not None
        self._alone = alone
        return alone.prefill()[0]

    def follow(self, move: Move) -> None:
        """See :class:`components.decoding.moves.FollowsMoves`."""
        self._alone.follow(move)

    @torch.inference_mode()
    def step_many(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Reorder the caches and run the positions of ``tokens`` (R, t); returns (R, V)."""
        return self._alone.step_many(beam_indices, tokens)[0]

    @torch.inference_mode()
    def score_tokens(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """The same with the scores after every token, (R, t, V)."""
        return self._alone.score_tokens(beam_indices, tokens)[0]

    @torch.inference_mode()
    def retract(self, counts: Tensor) -> None:
        """Forget the last ``counts`` (R,), all equal, tokens; see :meth:`.RetractableScorer.retract`."""
        self._alone.retract(counts)
