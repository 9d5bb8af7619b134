"""Prepares encoder-decoder models of transformers for a search: attention, caches, packed layers."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from transformers import MarianMTModel

from components.compute.layers.fused_mlp import fuse_mlp
from components.compute.layers.fused_qkv import fuse_qkv
from components.compute.layers.kernels import Arithmetic
from components.compute.layers.packed_linear import prepack
from components.decoding.caches import kv_cache
from components.decoding.caches.shared_attention import share_attention
from components.decoding.models.generation_settings import (
    as_tuple,
    eos_of,
    generation_setting,
    warn_about_ignored_settings,
)
from components.decoding.scorers import Vocabulary
from components.errors import ConfigError, ModelError

UNBOUNDED = 1 << 20
"""Number of positions of models with relative positions, which have no largest one."""
_REFUSED = frozenset({"prophetnet", "xlm-prophetnet"})
"""Model types whose decoder takes no rows that are reordered between steps."""


class PreparedSeq2Seq:
    """A loaded encoder-decoder model, prepared for batched decoding: what a scorer reads of it.

    Attributes:
        vocabulary: its output tokens.
        positions: the largest number of positions of the decoder.
        start: the decoder's start token.
        shares_attention: whether the rows of an utterance share its cross-attention keys.
        shares_cache: whether they can share a cache of self-attention, too (:mod:`.beam_cache`).
        has_own_decoder: whether it is decoded by :mod:`.marian`.
        is_marian_on_device: whether it is a Marian model off the CPU.
        scores_hidden_states: whether hidden states are turned into scores here, not in the model's forward.
    """

    def __init__(self, model: Any, digest: str, name: str, arithmetic: Arithmetic | None = None) -> None:
        """Prepare ``model``.

        Args:
            model: an encoder-decoder model of transformers.
            digest: of its vocabulary (see :func:`components.decoding.scorers.digest_of`).
            name: how messages name it.
            arithmetic: pack the linear layers for the CPU with this arithmetic, in place: afterwards the
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
        self.is_marian_on_device = type(model) is MarianMTModel and model.device.type != "cpu"
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
            is_sparse = bool(getattr(model.config, "sparse_layers", None))
            self.has_own_decoder = type(model) is MarianMTModel and n_fused > 0 and not is_sparse

    def scores(self, first: int, **step: Any) -> Tensor:
        """Run the decoder.

        Args:
            first: the first position whose scores are needed; -1: only the last.
            step: the model's inputs.

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
