"""Edit diffusion (Diffuser; Reid et al., 2022): a denoiser that undoes Levenshtein edits step by step.

One step of the reverse process, x_t -> x_{t-1}, given the source: a bidirectional stack reads the canvas x_t
(and the source, and t) and tags each token keep, replace, insert or delete; a causal stack, the writer, goes
over the kept tokens and writes the spans. Encoder, both stacks, embedding and output layer start from a
translation model, so that writing on an empty canvas begins as that model's translation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from components.networks.edit_script import TAGS
from components.networks.multi_source_transformer import MultiSourceStack, embed_tokens


class Canvas(NamedTuple):
    """Texts being edited: ``tokens`` (N, L) are start, x_t, eos and padding; ``mask`` (N, L); ``t`` (N,)."""

    tokens: Tensor
    mask: Tensor
    t: Tensor

    def to(self, device: torch.device) -> Canvas:
        """The same canvases on ``device``."""
        return Canvas(*(part.to(device) for part in self))


class EditDiffusionNetwork(nn.Module):
    """``base`` (a MarianMTModel: encoder, embedding, output layer), ``reader``, ``tagger``, ``writer``."""

    def __init__(self, base: Any, steps: int) -> None:
        super().__init__()
        config = base.config
        width = config.d_model
        self.base, self.steps = base, steps
        self.reader = MultiSourceStack(config, (width,), causal=False)
        self.writer = MultiSourceStack(config, (width, width), causal=True)
        self.tagger = nn.Linear(width, len(TAGS))
        self.tag_embedding, self.step_embedding = (
            nn.Embedding(len(TAGS), width),
            nn.Embedding(steps + 1, width),
        )
        self.place = nn.Linear(2 * width, width)
        self.unigrams: Tensor
        self.register_buffer("unigrams", torch.ones(config.vocab_size, dtype=torch.float32))

    def set_noise(self, counts: Sequence[int]) -> None:
        """Keep how often each token stands in the training targets: what inference from noise draws from."""
        self.unigrams.copy_(torch.tensor(counts, dtype=torch.float32))

    @classmethod
    def from_base(cls, base: Any, steps: int) -> EditDiffusionNetwork:
        """A denoiser whose stacks begin as the decoder of ``base``; what is new begins without influence."""
        model = cls(base, steps)
        for stack in (model.reader, model.writer):
            stack.init_from_decoder(base.model.decoder)
        for new in (model.tag_embedding, model.step_embedding):
            nn.init.zeros_(new.weight)
        nn.init.zeros_(model.place.weight)
        nn.init.zeros_(model.place.bias)
        return model

    @property
    def config(self) -> Any:
        """Configuration of the base."""
        return self.base.config

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.base.device  # type: ignore[no-any-return]

    def encode(self, source: Tensor, mask: Tensor) -> Tensor:
        """Encoder states (N, S, width) of token ids (N, S)."""
        return self.base.get_encoder()(  # type: ignore[no-any-return]
            input_ids=source, attention_mask=mask, return_dict=True
        ).last_hidden_state

    def read_canvas(self, encoded: Tensor, mask: Tensor, canvas: Canvas) -> Tensor:
        """States (N, L, width) of the canvas."""
        hidden = embed_tokens(self.base, canvas.tokens) + self.step_embedding(canvas.t)[:, None]
        return self.reader(  # type: ignore[no-any-return]
            hidden, self.reader.project_memories([encoded]), (mask,), own_mask=canvas.mask
        )

    def tag_logits(self, states: Tensor) -> Tensor:
        """Scores (N, L, 4) of keep, replace, insert and delete at each canvas position, in float32."""
        scores: Tensor = self.tagger(states)
        return scores if scores.dtype == torch.float64 else scores.float()

    def memories(self, encoded: Tensor, states: Tensor, tags: Tensor) -> list[Tensor]:
        """What the writer attends to: the source, and the canvas with its tags (N, L)."""
        return [encoded, states + self.tag_embedding(tags)]

    def position_hints(self, states: Tensor, previous_kept: Tensor, next_kept: Tensor) -> Tensor:
        """Where the writer is: (N, T, width) of canvas positions (N, T) on its left and on its right."""
        rows = torch.arange(len(states), device=states.device)[:, None]
        return self.place(torch.cat([states[rows, previous_kept], states[rows, next_kept]], dim=-1))  # type: ignore[no-any-return]

    def logits(self, states: Tensor) -> Tensor:
        """Scores (..., V) of the next token, in float32 (float64 for a float64 model)."""
        scores = self.base.lm_head(states)
        scores = scores if scores.dtype == torch.float64 else scores.float()
        return scores + self.base.final_logits_bias  # type: ignore[no-any-return]
