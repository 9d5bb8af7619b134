"""Tiny bases with random weights, and adapters of them that PEFT writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import peft
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM


def llama(path: Path, dtype: torch.dtype = torch.float32, seed: int = 0, *, tied: bool = False) -> Path:
    """A causal model's folder."""
    torch.manual_seed(seed)
    sizes = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=40, tie_word_embeddings=tied, **sizes)
    return _saved(LlamaForCausalLM(config), path, dtype)


def gpt2(path: Path) -> Path:
    """A causal model whose linear layers store (in, out)."""
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=40, n_embd=16, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=1)
    return _saved(GPT2LMHeadModel(config), path)


def _saved(model: Any, path: Path, dtype: torch.dtype = torch.float32) -> Path:
    model.to(dtype).save_pretrained(path)
    return path


def load(base: Path, dtype: torch.dtype = torch.float32) -> Any:
    """The base as transformers loads it."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(base, dtype=dtype)


def adapter(base: Path, path: Path, seed: int = 1, **settings: Any) -> Path:
    """A PEFT folder with random matrices for a base."""
    torch.manual_seed(seed)
    model = peft.get_peft_model(load(base), peft.LoraConfig(**{"r": 4, "lora_alpha": 6} | settings))
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if tensor.requires_grad and "magnitude" not in name:
                tensor.normal_(std=0.1)
            elif tensor.requires_grad:
                tensor.mul_(1.5)
    model.save_pretrained(path)
    return path
