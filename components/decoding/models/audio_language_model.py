"""Token scorers from audio language models: decoder-only models whose prompts hold sound.

Every prompt runs alone, without padding, as the library runs a batch of one: what its processor makes of
sound and text goes in as it is. The keys and values of all of them are padded afterwards and continued as one
batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import BatchFeature

from components.decoding.caches import kv_cache
from components.decoding.models.causal import CausalModel, CausalScorer
from components.decoding.moves import RowLayout
from components.errors import ModelError

Prompt = Mapping[str, Tensor]
"""What a processor makes of sound and text, as a batch of one: ``input_ids`` (1, L), features, masks."""


class AudioPromptScorer(CausalScorer):
    """The :class:`.scorers.TokenScorer` of a batch of prompts with sound."""

    def __init__(self, ready: CausalModel, prompts: Sequence[Prompt]) -> None:
        tokens = [tuple(prompt["input_ids"][0].tolist()) for prompt in prompts]
        super().__init__(ready, tokens, ready.vocabulary)
        self._audio_prompts = prompts

    @torch.inference_mode()
    def prefill(self) -> Tensor:
        """Run the prompts one by one; see :meth:`.TokenScorer.prefill`."""
        logits, states = zip(*map(self._run_prompt, self._audio_prompts), strict=True)
        lengths = [prompt[0][0].shape[2] for prompt in states]
        longest = max(lengths)
        if longest >= self._ready.positions:
            raise ModelError(
                f"{self.name}: expected prompts below {self._ready.positions} tokens, found {longest}"
            )
        self._beam_cache, self._cache = None, kv_cache.growing_cache()
        for index in range(len(states[0])):
            keys, values = (
                torch.cat([pad(s[index][part], (0, 0, longest - s[index][part].shape[2], 0)) for s in states])
                for part in (0, 1)
            )
            self._cache.update(keys, values, index)
        device = self._ready.model.device
        self._lengths = torch.tensor(lengths, device=device)
        self.rows = RowLayout(len(lengths), device)
        mask = torch.arange(longest, device=device) >= longest - self._lengths[:, None]
        self._mask = None if bool(mask.all()) else mask
        return torch.cat(logits)

    def _run_prompt(self, prompt: Prompt) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Return scores of the first token (1, V), and keys and values (1, H, L, d) of every layer."""
        model: Any = self._ready.model
        cache = kv_cache.growing_cache()
        inputs = BatchFeature(dict(prompt)).to(model.device, model.dtype)
        output = model(**inputs, use_cache=True, logits_to_keep=1, **{self._ready.cache_argument: cache})
        logits: Tensor = output.logits[:, -1].float()
        return logits, kv_cache.keys_and_values_of(cache)
