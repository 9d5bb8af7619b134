"""Attention against torch's own module, and what is kept against what is computed at once."""

from __future__ import annotations

import torch
from torch import nn

from components.networks.cached_attention import LayerMemory, attend_cached, extend_cache, project_keys_values
from components.networks.stacked_model import SpeechAttention

D, HEADS = 8, 2


def filled() -> SpeechAttention:
    torch.manual_seed(0)
    module = SpeechAttention(D, HEADS)
    nn.init.normal_(module.out_proj.weight)
    return module


def test_it_is_torchs_multi_head_attention() -> None:
    ours = filled()
    theirs = nn.MultiheadAttention(D, HEADS, batch_first=True)
    with torch.no_grad():
        joint = [ours.q_proj, ours.k_proj, ours.v_proj]
        theirs.in_proj_weight.copy_(torch.cat([each.weight for each in joint]))
        theirs.in_proj_bias.copy_(torch.cat([each.bias for each in joint]))
        theirs.out_proj.load_state_dict(ours.out_proj.state_dict())
    x, memory = torch.randn(3, 4, D), torch.randn(3, 5, D)
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 0, 1, 0, 1]]).bool()
    expected = theirs(x, memory, memory, key_padding_mask=~mask, need_weights=False)[0]
    torch.testing.assert_close(attend_cached(ours, x, project_keys_values(ours, memory), mask=mask), expected)
    causal = nn.Transformer.generate_square_subsequent_mask(4)
    expected = theirs(x, x, x, attn_mask=causal, need_weights=False)[0]
    torch.testing.assert_close(attend_cached(ours, x, project_keys_values(ours, x), causal=True), expected)


def test_step_by_step_is_at_once() -> None:
    module, x = filled(), torch.randn(2, 5, D)
    whole = attend_cached(module, x, project_keys_values(module, x), causal=True)
    cache: list[tuple[torch.Tensor, torch.Tensor]] = []
    for part in (slice(0, 2), slice(2, 3), slice(3, 5)):
        remaining = extend_cache(cache, 0, project_keys_values(module, x[:, part]))
        torch.testing.assert_close(attend_cached(module, x[:, part], remaining, causal=True), whole[:, part])
    assert len(cache) == 1


def test_rows_are_selected_in_text_and_sound() -> None:
    pair = (torch.arange(3.0), torch.arange(3.0) + 10)
    selected = LayerMemory(pair, pair).select(torch.tensor([2, 2, 0]))
    for keys, values in (selected.text, selected.speech):
        assert keys.tolist() == [2, 2, 0]
        assert values.tolist() == [12, 12, 10]
    assert LayerMemory(pair).select(torch.tensor([1])).speech is None
