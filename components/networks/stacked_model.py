"""Translation models that listen: a Marian-architecture model with Whisper's encoder states beside the text.

``direct``: the states, stacked and projected, take the place of the source's embeddings; encoder and decoder
are the text model's (end-to-end speech translation; Bérard et al. 2016 and after).
``dual``: the decoder attends to the encoded transcript as the text model does, and after every layer to the
states: a serial second cross-attention (Libovický and Helcl 2017), whose output projection is zero at first,
so that before its first step the model is the text model, to the bit.
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
    """What N utterances look like to the model; ``text`` (N, K, S) are K transcripts each, with their mask.

    ``speech`` (N, T, w) are encoder states, ``heard`` (N, T) their mask: all False where there is no audio.
    """

    text: Tensor | None
    text_mask: Tensor | None
    speech: Tensor
    speech_mask: Tensor

    def to(self, device: torch.device) -> Sources:
        """The same on ``device``."""
        moved = (
            t if t is None else t.to(device)
            for t in (self.text, self.text_mask, self.speech, self.speech_mask)
        )
        return Sources(*moved)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Memory:
    """What the decoder attends to: states (N, S, d), their mask (N, S), and the same of the sound (dual)."""

    states: Tensor
    mask: Tensor
    speech: Tensor | None = None
    speech_mask: Tensor | None = None


class SpeechAdapter(nn.Module):
    """Encoder states (N, T, w) -> (N, 1 + T / stack, d): neighbours side by side, projected, normalised.

    The first of them is learned and always there: silence, which an utterance without audio attends to.
    """

    def __init__(self, width: int, stack: int, d: int) -> None:
        super().__init__()
        self.stack = stack
        self.project = nn.Linear(width * stack, d)
        self.norm = nn.LayerNorm(d)
        self.silence = nn.Parameter(torch.zeros(d))

    def forward(self, speech: Tensor, speech_mask: Tensor) -> tuple[Tensor, Tensor]:
        """States and mask."""
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
    """Cross-attention to the sound. Its output projection is zero at first: then it adds nothing."""

    def __init__(self, d: int, heads: int) -> None:
        super().__init__()
        self.num_heads = heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(d, d) for _ in range(4))
        nn.init.zeros_(self.out_proj.weight)
        nn.init.zeros_(self.out_proj.bias)


class StackedModel(nn.Module):
    """See the module. ``width`` is that of Whisper's states, ``stack`` how many are put side by side."""

    def __init__(self, config: MarianConfig, kind: StackedKind, width: int, stack: int) -> None:
        super().__init__()
        self.kind, self.width, self.stack = kind, width, stack
        self.text: Any = MarianMTModel(config)
        self.config: Any = config
        self.adapter = SpeechAdapter(width, stack, config.d_model)
        layers = config.decoder_layers if kind == "dual" else 0
        heads = config.decoder_attention_heads
        self.listening = nn.ModuleList(SpeechAttention(config.d_model, heads) for _ in range(layers))

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.adapter.silence.device

    def encode(self, sources: Sources) -> Memory:
        """Everything that is computed once per utterance."""
        sound, speech_mask = self.adapter(sources.speech, sources.speech_mask)
        encoder = self.text.model.encoder
        positions = encoder.embed_positions(sound.shape[:2])
        if self.kind == "direct":
            # The text encoder adds positions itself; embeddings are scaled as words are.
            states = encoder(inputs_embeds=sound, attention_mask=speech_mask).last_hidden_state
            return Memory(states, speech_mask)
        assert sources.text is not None
        assert sources.text_mask is not None
        n, k, length = sources.text.shape
        ids, mask = sources.text.flatten(0, 1), sources.text_mask.flatten(0, 1)
        states = encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        return Memory(states.view(n, k * length, -1), mask.view(n, -1), sound + positions, speech_mask)

    def project_memory(self, memory: Memory) -> list[LayerMemory]:
        """Per decoder layer the keys and values of the memory, and of the sound where there is any."""
        layers = self.text.model.decoder.layers
        memories = [LayerMemory(project_keys_values(layer.encoder_attn, memory.states)) for layer in layers]
        if memory.speech is not None:
            for layer_memory, listening in zip(memories, self.listening, strict=True):
                layer_memory.speech = project_keys_values(listening, memory.speech)
        return memories

    def decode_hidden(
        self, tokens: Tensor, memory: Memory, keys: list[LayerMemory], cache: list[KeyValue] | None = None
    ) -> Tensor:
        """Decoder states (R, t, d) of the next ``tokens`` (R, t).

        ``memory``'s masks and ``keys`` have R rows. ``cache`` holds the keys and values of each layer for the
        tokens before (a list, extended in place); without it ``tokens`` are whole sequences.
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
            attended = attend_cached(layer.encoder_attn, x, keys[i].text, mask=memory.mask)
            x = layer.encoder_attn_layer_norm(x + self._drop(attended))
            inner = layer.fc2(layer.activation_fn(layer.fc1(x)))
            x = layer.final_layer_norm(x + self._drop(inner))
            sound = keys[i].speech
            if sound is not None:
                x = x + self._drop(attend_cached(self.listening[i], x, sound, mask=memory.speech_mask))
        states: Tensor = x
        return states

    def logits(self, hidden: Tensor) -> Tensor:
        """(..., d) -> (..., V), float32."""
        out: Tensor = (self.text.lm_head(hidden) + self.text.final_logits_bias[0]).float()
        return out

    @property
    def _scale(self) -> float:
        return float(self.config.d_model**0.5) if self.config.scale_embedding else 1.0

    def _drop(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self.config.dropout, self.training)
