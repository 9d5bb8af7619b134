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
    """N texts being edited.

    Attributes:
        tokens: ids (N, L): start, x_t, end of sentence, padding.
        mask: (N, L), True where a token is not padding.
        t: the diffusion step of each text (N,).
    """

    tokens: Tensor
    mask: Tensor
    t: Tensor

    def to(self, device: torch.device) -> Canvas:
        """Move the tensors to ``device``."""
        return Canvas(*(part.to(device) for part in self))


class EditDiffusionNetwork(nn.Module):
    """The denoiser: reads source and canvas, tags every canvas token, and writes the spans.

    Args:
        base: a MarianMTModel, whose encoder, embedding and output layer are used.
        steps: T, the number of diffusion steps.
    """

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
        """Set how often each token occurs in the training targets: inference from noise draws from it."""
        self.unigrams.copy_(torch.tensor(counts, dtype=torch.float32))

    @classmethod
    def from_base(cls, base: Any, steps: int) -> EditDiffusionNetwork:
        """Return a denoiser whose stacks start as the decoder of ``base``, and all else without influence."""
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
        """The configuration of the base model."""
        return self.base.config

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return self.base.device  # type: ignore[no-any-return]

    def encode(self, source: Tensor, mask: Tensor) -> Tensor:
        """Encode token ids (N, S) with their mask: encoder states (N, S, width)."""
        return self.base.get_encoder()(  # type: ignore[no-any-return]
            input_ids=source, attention_mask=mask, return_dict=True
        ).last_hidden_state

    def read_canvas(self, encoded: Tensor, mask: Tensor, canvas: Canvas) -> Tensor:
        """Read the canvases beside their sources: states (N, L, width)."""
        hidden = embed_tokens(self.base, canvas.tokens) + self.step_embedding(canvas.t)[:, None]
        return self.reader(  # type: ignore[no-any-return]
            hidden, self.reader.project_memories([encoded]), (mask,), own_mask=canvas.mask
        )

    def tag_logits(self, states: Tensor) -> Tensor:
        """Return logits (N, L, 4) of keep, replace, insert and delete at each canvas position, in float32."""
        scores: Tensor = self.tagger(states)
        return scores if scores.dtype == torch.float64 else scores.float()

    def memories(self, encoded: Tensor, states: Tensor, tags: Tensor) -> list[Tensor]:
        """Return what the writer attends to: the source's states, and the canvas's with its tags (N, L)."""
        return [encoded, states + self.tag_embedding(tags)]

    def position_hints(self, states: Tensor, previous_kept: Tensor, next_kept: Tensor) -> Tensor:
        """Embed where the writer is in the canvas.

        Args:
            states: canvas states (N, L, width).
            previous_kept: canvas position (N, T) of the last kept token before each position of the writer.
            next_kept: canvas position (N, T) of the next kept token.

        Returns:
            What is added to the writer's input embeddings (N, T, width).
        """
        rows = torch.arange(len(states), device=states.device)[:, None]
        return self.place(torch.cat([states[rows, previous_kept], states[rows, next_kept]], dim=-1))  # type: ignore[no-any-return]

    def logits(self, states: Tensor) -> Tensor:
        """Return the next token's logits (..., V) at ``states``, in float32 (float64 for a float64 model)."""
        scores = self.base.lm_head(states)
        scores = scores if scores.dtype == torch.float64 else scores.float()
        return scores + self.base.final_logits_bias  # type: ignore[no-any-return]
