"""A CTC head: log-probabilities of tokens in every frame, from the states of a speech encoder.

Layer norm, a projection with GELU, a residual convolution over neighboring frames, and a linear layer.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class CtcHead(nn.Module):
    """The head.

    Args:
        width: of a state.
        hidden: width between the layers.
        kernel: frames that the convolution sees, an odd number.
        n_tokens: outputs, the blank among them.
        dropout: in training, after the projection and after the convolution.
    """

    def __init__(self, width: int, hidden: int, kernel: int, n_tokens: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, hidden)
        self.convolution = nn.Conv1d(hidden, hidden, kernel, padding=kernel // 2)
        self.output = nn.Linear(hidden, n_tokens)
        self.dropout = nn.Dropout(dropout)

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.output.weight.device

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Return log-probabilities (N, T, V) of ``states`` (N, T, w); without meaning under a False mask."""
        x = self.dropout(functional.gelu(self.project(self.norm(states))))
        x = x * mask[:, :, None]  # the convolution sees silence after the end, alone and in a batch
        x = x + self.dropout(functional.gelu(self.convolution(x.transpose(1, 2)).transpose(1, 2)))
        log_probs: Tensor = torch.log_softmax(self.output(x).float(), -1)
        return log_probs
