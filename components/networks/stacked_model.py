"""Translation models that read speech: Marian's architecture with Whisper's encoder states beside the text.

``direct``: the states, stacked and projected, replace the source's embeddings; encoder and decoder are the
text model's (end-to-end speech translation; Bérard et al. 2016 and after). ``dual``: the decoder attends to
the encoded transcript as the text model does, and after every layer to the
states: a serial second cross-attention (Libovický and Helcl 2017). Its output projection is initialized with
zeros, so that before its first training step the model computes what the text model does, to the bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import MarianConfig, MarianMTModel

from components.networks.cached_attention import (
    KeyValue,
    LayerMemory,
    attend_cached,
    extend_cache,
    project_keys_values,
)

StackedKind = Literal["direct", "dual"]


@dataclass(frozen=True)
class Sources:
    """A batch of N utterances.

    Attributes:
        text: (N, K, S), token ids of K transcripts each; None where only speech is read.
        text_mask: (N, K, S), True where there is a token.
        speech: (N, T, w), encoder states.
        speech_mask: (N, T), True where there is a state; False throughout for an utterance without audio.
    """

    text: Tensor | None
    text_mask: Tensor | None
    speech: Tensor
    speech_mask: Tensor

    def to(self, device: torch.device) -> Sources:
        """Return the same on ``device``."""
        tensors = (self.text, self.text_mask, self.speech, self.speech_mask)
        return Sources(*(tensor if tensor is None else tensor.to(device) for tensor in tensors))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Memory:
    """What the decoder attends to: states (N, S, d), their mask (N, S), and the same of speech (dual)."""

    states: Tensor
    mask: Tensor
    speech: Tensor | None = None
    speech_mask: Tensor | None = None


class SpeechAdapter(nn.Module):
    """Encoder states (N, T, w) -> (N, 1 + T / stack, d): neighbors concatenated, projected, normalized.

    The first is a learned vector that is never masked, for utterances without audio to attend to.
    """

    def __init__(self, width: int, stack: int, d: int) -> None:
        super().__init__()
        self.stack = stack
        self.project = nn.Linear(width * stack, d)
        self.norm = nn.LayerNorm(d)
        self.silence = nn.Parameter(torch.zeros(d))

    def forward(self, speech: Tensor, speech_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return the adapted states and their mask (N, 1 + T / stack)."""
        n, length, width = speech.shape
        padding = -length % self.stack
        speech = functional.pad(speech * speech_mask[..., None], (0, 0, 0, padding)).view(
            n, -1, width * self.stack
        )
        mask = functional.pad(speech_mask, (0, padding)).view(n, -1, self.stack).any(-1)
        adapted = self.norm(self.project(speech))
        first = self.silence.expand(n, 1, -1)
        return torch.cat([first, adapted], 1), torch.cat([mask.new_ones(n, 1), mask], 1)


class SpeechAttention(nn.Module):
    """Cross-attention to speech. Its output projection starts as zeros: untrained, it adds nothing."""

    def __init__(self, d: int, heads: int) -> None:
        super().__init__()
        self.num_heads = heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(d, d) for _ in range(4))
        nn.init.zeros_(self.out_proj.weight)
        nn.init.zeros_(self.out_proj.bias)


class StackedModel(nn.Module):
    """A direct or a dual model, as the module says.

    Args:
        config: of the text model.
        kind: direct or dual.
        width: of Whisper's encoder states.
        stack: neighboring states that are concatenated to one.
    """

    def __init__(self, config: MarianConfig, kind: StackedKind, width: int, stack: int) -> None:
        super().__init__()
        self.kind, self.width, self.stack = kind, width, stack
        self.text: Any = MarianMTModel(config)
        self.config: Any = config
        self.adapter = SpeechAdapter(width, stack, config.d_model)
        layers = config.decoder_layers if kind == "dual" else 0
        heads = config.decoder_attention_heads
        # The names of the parts are those of the tensors in model folders: they stay.
        self.listening = nn.ModuleList(SpeechAttention(config.d_model, heads) for _ in range(layers))

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return self.adapter.silence.device

    def encode(self, sources: Sources) -> Memory:
        """Encode the sources, once per utterance."""
        speech, speech_mask = self.adapter(sources.speech, sources.speech_mask)
        encoder = self.text.model.encoder
        positions = encoder.embed_positions(speech.shape[:2])
        if self.kind == "direct":
            # The text encoder adds positions itself; embeddings are scaled as words are.
            states = encoder(inputs_embeds=speech, attention_mask=speech_mask).last_hidden_state
            return Memory(states, speech_mask)
        assert sources.text is not None
        assert sources.text_mask is not None
        n, k, length = sources.text.shape
        ids, mask = sources.text.flatten(0, 1), sources.text_mask.flatten(0, 1)
        states = encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        return Memory(states.view(n, k * length, -1), mask.view(n, -1), speech + positions, speech_mask)

    def project_memory(self, memory: Memory) -> list[LayerMemory]:
        """Project the memory to the keys and values of every decoder layer."""
        layers = self.text.model.decoder.layers
        memories = [LayerMemory(project_keys_values(layer.encoder_attn, memory.states)) for layer in layers]
        if memory.speech is not None:
            for layer_memory, attention in zip(memories, self.listening, strict=True):
                layer_memory.speech = project_keys_values(attention, memory.speech)
        return memories

    def decode_hidden(
        self,
        tokens: Tensor,
        memory: Memory,
        layer_memories: list[LayerMemory],
        cache: list[KeyValue] | None = None,
    ) -> Tensor:
        """Run the decoder on the next tokens.

        Args:
            tokens: (R, t).
            memory: its masks have R rows.
            layer_memories: keys and values of the memory for every layer, of R rows.
            cache: keys and values of every layer for the tokens before, extended in place; without it
                ``tokens`` are whole sequences.

        Returns:
            States (R, t, d).
        """
        decoder = self.text.model.decoder
        past = 0 if cache is None or not cache else cache[0][0].shape[2]
        x = decoder.embed_tokens(tokens) * self._scale
        x = self._drop(x + decoder.embed_positions(tokens.shape, past))
        for i, layer in enumerate(decoder.layers):
            key_values = project_keys_values(layer.self_attn, x)
            if cache is not None:
                key_values = extend_cache(cache, i, key_values)
            x = layer.self_attn_layer_norm(
                x + self._drop(attend_cached(layer.self_attn, x, key_values, causal=True))
            )
            attended = attend_cached(layer.encoder_attn, x, layer_memories[i].text, mask=memory.mask)
            x = layer.encoder_attn_layer_norm(x + self._drop(attended))
            inner = layer.fc2(layer.activation_fn(layer.fc1(x)))
            x = layer.final_layer_norm(x + self._drop(inner))
            speech = layer_memories[i].speech
            if speech is not None:
                x = x + self._drop(attend_cached(self.listening[i], x, speech, mask=memory.speech_mask))
        states: Tensor = x
        return states

    def logits(self, hidden: Tensor) -> Tensor:
        """Output logits: (..., d) -> (..., V) in float32."""
        out: Tensor = (self.text.lm_head(hidden) + self.text.final_logits_bias[0]).float()
        return out

    @property
    def _scale(self) -> float:
        return float(self.config.d_model**0.5) if self.config.scale_embedding else 1.0

    def _drop(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self.config.dropout, self.training)
