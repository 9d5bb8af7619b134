"""The deliberation network (Xia et al., NIPS 2017): a second decoder that has read the first one's draft.

Source x -> encoder states H; first decoder -> draft y' with states s; second decoder -> y, attending to H
and to the pairs [s_j; y'_j]. Both decoders share the embedding and the output layer. A second decoder made
from a trained model starts as that model's own decoder: its attention to the draft has no influence yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from components.networks.multi_source_transformer import MultiSourceStack, embed_tokens


@dataclass(frozen=True)
class Draft:
    """The first decoder's drafts of N sources, end-of-sentence included and padded.

    Attributes:
        tokens: ids (N, J).
        mask: (N, J), True at real tokens.
        states: states (N, J, width) of the first decoder as it predicted each token.
        log_probs: log P(y' | x) of each draft (N,), nats.
    """

    tokens: Tensor
    mask: Tensor
    states: Tensor
    log_probs: Tensor


class DeliberationNetwork(nn.Module):
    """Encoder, first decoder (both in ``first``, a MarianMTModel) and second decoder (``second``)."""

    def __init__(self, first: Any) -> None:
        super().__init__()
        width = first.config.d_model
        self.first = first
        self.second = MultiSourceStack(first.config, (width, 2 * width), causal=True)

    @classmethod
    def from_base(cls, first: Any) -> DeliberationNetwork:
        """Return a network whose second decoder starts with the weights of the first one."""
        model = cls(first)
        model.second.init_from_decoder(first.model.decoder)
        return model

    @property
    def config(self) -> Any:
        """The configuration of the first pass's model."""
        return self.first.config

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return self.first.device  # type: ignore[no-any-return]

    def encode(self, source: Tensor, mask: Tensor) -> Tensor:
        """Encode token ids (N, S) with their mask: encoder states H (N, S, width)."""
        return self.first.get_encoder()(  # type: ignore[no-any-return]
            input_ids=source, attention_mask=mask, return_dict=True
        ).last_hidden_state

    def read_draft(self, encoded: Tensor, mask: Tensor, tokens: Tensor, is_token: Tensor) -> Draft:
        """Run the first decoder over drafts ``tokens`` (N, J); ``is_token`` (N, J) is False at padding."""
        states = self.first_states(encoded, mask, tokens)
        log_probs, _ = self.log_probs(states, tokens, is_token)
        return Draft(tokens, is_token, states, log_probs)

    def first_states(self, encoded: Tensor, mask: Tensor, tokens: Tensor) -> Tensor:
        """Return the first decoder's states (N, J, width) as it predicts each of ``tokens`` (N, J)."""
        return self.first.model.decoder(  # type: ignore[no-any-return]
            input_ids=self._shift_right(tokens),
            encoder_hidden_states=encoded,
            encoder_attention_mask=mask,
            use_cache=False,
        ).last_hidden_state

    def log_probs(self, states: Tensor, tokens: Tensor, is_token: Tensor) -> tuple[Tensor, Tensor]:
        """Sum the log-probabilities of each sequence's tokens, in nats.

        Args:
            states: decoder states (N, T, width) that predict the tokens.
            tokens: ids (N, T).
            is_token: (N, T), True where a token is not padding.

        Returns:
            log P of each sequence (N,), and the sum over the same positions of the vocabulary's mean
            log-probability (N,), which label smoothing mixes in.
        """
        log_probs = torch.log_softmax(self.logits(states[is_token]), dim=-1)
        token_log_probs = log_probs.gather(1, tokens[is_token][:, None])[:, 0]
        rows = is_token.nonzero()[:, 0]
        empty = token_log_probs.new_zeros(len(tokens))
        return empty.index_add(0, rows, token_log_probs), empty.index_add(0, rows, log_probs.mean(-1))

    def logits(self, states: Tensor) -> Tensor:
        """Return the next token's logits (..., V) at ``states``, in float32 (float64 for a float64 model)."""
        scores = self.first.lm_head(states)
        scores = scores if scores.dtype == torch.float64 else scores.float()
        return scores + self.first.final_logits_bias  # type: ignore[no-any-return]

    def memories(self, encoded: Tensor, draft: Draft) -> tuple[Tensor, Tensor]:
        """Return what the second decoder attends to: H (N, S, width) and [s; y'] (N, J, 2 width)."""
        decoder = self.first.model.decoder
        words = decoder.embed_tokens(draft.tokens) * decoder.embed_scale
        return encoded, torch.cat([draft.states, words.to(draft.states.dtype)], dim=-1)

    def second_states(self, encoded: Tensor, mask: Tensor, draft: Draft, labels: Tensor) -> Tensor:
        """Return the second decoder's states (N, T, width) as it predicts each of ``labels`` (N, T)."""
        keys = self.second.project_memories(self.memories(encoded, draft))
        hidden = embed_tokens(self.first, self._shift_right(labels))
        return self.second(hidden, keys, (mask, draft.mask))  # type: ignore[no-any-return]

    def _shift_right(self, tokens: Tensor) -> Tensor:
        start = tokens.new_full((len(tokens), 1), self.config.decoder_start_token_id)
        return torch.cat([start, tokens[:, :-1]], dim=1)
