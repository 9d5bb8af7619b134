"""Whisper's audio encoder over prepacked weights.

On the CPU every thread takes a window at a time, whose activations stay in the cache, and attends by kernels
of the CPU where there are any. Elsewhere the windows go through together, and in half precision the counts of
summarised padding are a feature of the keys.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Protocol, TypeVar

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from components.compute.layers.folded_mask import attend, fold_keys, fold_values, prefers_folding
from components.compute.layers.kernels import Arithmetic, kernels
from components.compute.layers.packed_linear import build_linear, fuse_linears
from components.compute.openai_whisper import AudioEncoder, ModelDimensions, ResidualAttentionBlock
from components.compute.threads import map_in_threads
from components.recognition.whisper.windows.features import WINDOW_FRAMES
from components.recognition.whisper.windows.padding import (
    Padding,
    count_audio_positions,
    find_last_frames,
    make_noise,
    recall_attention,
)

Result = TypeVar("Result")


class HasEncoder(Protocol):
    """A Whisper, or what else has its encoder and says its sizes."""

    encoder: AudioEncoder
    dims: ModelDimensions

    @property
    def device(self) -> torch.device:
        """Where the encoder is."""


class WhisperEncoder:
    """The encoder's weights, packed for the device; keeps nothing between calls.

    Args:
        model: a Whisper on its device, or what has its encoder.
        arithmetic: in which packed linear layers compute.
        weights: digest of the model, under which what is found of padding is remembered; empty: it is not.
    """

    def __init__(self, model: HasEncoder, arithmetic: Arithmetic = "float32", weights: str = "") -> None:
        encoder = model.encoder  # the blocks' weights are laid out anew: a reference to it would keep both
        self.conv1, self.conv2, self.ln_post = encoder.conv1, encoder.conv2, encoder.ln_post
        self.positional_embedding = encoder.positional_embedding
        self.device, self.dtype = model.device, encoder.conv1.weight.dtype
        self.n_mels, self.heads = model.dims.n_mels, model.dims.n_audio_head
        self._arithmetic = f"{arithmetic} of {self.dtype}"
        self._weights = weights if self.device.type == "cpu" else ""
        self.blocks = [_Block(block, self.heads, arithmetic) for block in encoder.blocks]

    def __call__(self, mel: Tensor) -> Tensor:
        """Log-mel (N, mels, frames) -> features (N, frames / 2, d)."""
        return torch.cat(self._map_windows(self._encode, mel))

    def encode_without_padding(self, mel: Tensor, frames: int) -> tuple[Tensor, Tensor | None]:
        """Encode each window without the zeros at its end, whatever is beside it.

        Args:
            mel: log-mel (N, mels, 3000), zeros where padded.
            frames: shorter windows are padded to these.

        Returns:
            Features (N, L, d), and the logarithms (N, L) of whether a window has them; None: all have.
        """

        def encode(part: Tensor) -> list[Tensor]:
            pairs = (2 * -(-last // 2) for last in find_last_frames(part).tolist())
            return [
                self._encode(window[None, :, : max(frames, used)])[0]
                for window, used in zip(part, pairs, strict=True)
            ]

        states = [window for part in self._map_windows(encode, mel) for window in part]
        features = pad_sequence(states, batch_first=True)
        if len({len(window) for window in states}) == 1:
            return features, None
        counts = [window.new_zeros(len(window)) for window in states]
        return features, pad_sequence(counts, batch_first=True, padding_value=-torch.inf)

    def encode_with_summarized_padding(self, mel: Tensor, stride: int) -> tuple[Tensor, Tensor]:
        """Encode whole windows in fewer positions: see :mod:`components.recognition.whisper.windows.padding`.

        Args:
            mel: log-mel (N, mels, 3000), zeros where padded.
            stride: of the padding every n-th position is computed; 1 leaves none out.

        Returns:
            Features (N, L, d), and the logarithms (N, L) of how many positions each stands for.
        """
        padding = self.padding
        parts = self._map_windows(lambda part: self._encode_summarized(part, padding, stride), mel)
        states = [window for part, _ in parts for window in part]
        counts = [window for _, part in parts for window in part]
        return pad_sequence(states, batch_first=True), pad_sequence(
            counts, batch_first=True, padding_value=-torch.inf
        )

    def _map_windows(self, encode: Callable[[Tensor], Result], mel: Tensor) -> list[Result]:
        mel = mel.to(self.device, self.dtype)
        return map_in_threads(encode, torch.split(mel, 1)) if self.device.type == "cpu" else [encode(mel)]

    def _encode(self, mel: Tensor) -> Tensor:
        x = self._apply_stem(mel)
        for block in self.blocks:
            x = block(x)
        return self._apply_norm(x)

    def _encode_summarized(self, mel: Tensor, padding: Padding, stride: int) -> tuple[Tensor, Tensor]:
        n_audio = count_audio_positions(mel)
        positions, counts = padding.summarize(n_audio, stride)
        x = padding.states.repeat(len(mel), 1, 1)
        x[:, : max(n_audio)] = self._apply_stem(mel[:, :, : 2 * max(n_audio)])
        x = x.gather(1, positions[:, :, None].expand(-1, -1, x.shape[2]))
        x = self.blocks[0](x, beside=(padding, positions))
        for block in self.blocks[1:]:
            x = block(x, counts)
        return self._apply_norm(x), counts

    def _apply_stem(self, mel: Tensor) -> Tensor:
        x = functional.gelu(self.conv1(mel))
        x = functional.gelu(self.conv2(x)).permute(0, 2, 1)
        out: Tensor = (x + self.positional_embedding[: x.shape[1]]).to(x.dtype).contiguous()
        return out

    def _apply_norm(self, x: Tensor) -> Tensor:
        out: Tensor = self.ln_post(x)
        return out

    @cached_property
    def padding(self) -> Padding:
        """What the encoder makes of padding; computed once."""
        with torch.inference_mode():
            silence = torch.zeros(1, self.n_mels, WINDOW_FRAMES, device=self.device, dtype=self.dtype)
            stem = self._apply_stem(silence)
            _, keys, values = self.blocks[0].project(stem)
            received = recall_attention(self._weights, self._arithmetic, self._attention_received)
        return Padding(stem[0], keys[0], values[0], received)

    def _attention_received(self) -> Tensor:
        """The attention that each position of a window of noise receives, summed over the blocks (T,)."""
        x = self._apply_stem(make_noise(self.n_mels).to(self.device, self.dtype))
        received = torch.zeros(x.shape[1])
        for block in self.blocks:
            received += block.attention_received(x).cpu()
            x = block(x)
        return received


class _Block:
    """One residual block."""

    def __init__(self, block: ResidualAttentionBlock, heads: int, arithmetic: Arithmetic) -> None:
        attn, mlp = block.attn, block.mlp
        self.heads = heads
        self.attn_ln, self.mlp_ln = block.attn_ln, block.mlp_ln
        self.qkv = fuse_linears([attn.query, attn.key, attn.value], arithmetic)
        self.out = fuse_linears([attn.out], arithmetic)
        self.mlp_in = build_linear(mlp[0].weight, mlp[0].bias, arithmetic, "gelu")
        self.mlp_out = fuse_linears([mlp[2]], arithmetic)

    def __call__(
        self, x: Tensor, counts: Tensor | None = None, beside: tuple[Padding, Tensor] | None = None
    ) -> Tensor:
        """Return the block's output, in place.

        Args:
            x: states, (N, T, d).
            counts: logarithms (N, T) of how many positions each stands for; None: each is one.
            beside: keys and values of a whole window to attend to, and the positions (N, T) of ``x`` in it.
        """
        q, k, v = self.project(x)
        if beside is not None:
            k, v = (_scatter_into(*pair, beside[1]) for pair in ((beside[0].keys, k), (beside[0].values, v)))
        x += self.out(_attend(q, k, v, counts))
        x += self.mlp_out(self.mlp_in(self.mlp_ln(x)))
        return x

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, T, d) -> queries, keys, values (N, heads, T, d / heads)."""
        q, k, v = self.qkv(self.attn_ln(x)).view(*x.shape[:2], 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        return q, k, v

    def attention_received(self, x: Tensor) -> Tensor:
        """Return what attention (T,) each position of (1, T, d) receives, mean over heads and positions."""
        q, k, _ = (part[0].float() for part in self.project(x))
        scale = q.shape[-1] ** -0.5
        each_head = [(a @ b.t() * scale).softmax(-1).mean(0) for a, b in zip(q, k, strict=True)]
        return torch.stack(each_head).mean(0)


def _attend(q: Tensor, k: Tensor, v: Tensor, counts: Tensor | None) -> Tensor:
    """Attention (N, heads, t, d), (N, heads, T, d) -> (N, t, heads * d); counts (N, T) as logarithms."""
    cpu_kernels = kernels() if k.device.type == "cpu" else None
    if cpu_kernels is not None:
        bias = k.new_zeros(len(k), k.shape[2]) if counts is None else counts
        windows = [cpu_kernels.attend(*window) for window in zip(q, k, v, bias, strict=True)]
        if heads := [window for window in windows if window is not None]:
            return torch.stack(heads)
    mask = None if counts is None else counts[:, None, None]
    if counts is not None and prefers_folding(k):
        k, v = fold_keys(k, counts), fold_values(v)
    return attend(q, k, v, mask).transpose(1, 2).flatten(2)


def _scatter_into(whole: Tensor, own: Tensor, positions: Tensor) -> Tensor:
    """``whole`` (heads, T, w) for every window, with ``own`` (N, heads, L, w) at ``positions`` (N, L)."""
    filled, windows = whole.repeat(len(own), 1, 1, 1), torch.arange(len(own), device=own.device)
    filled.transpose(1, 2)[windows[:, None], positions] = own.transpose(1, 2)
    return filled
