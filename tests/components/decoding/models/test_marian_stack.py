"""Stacked Marian decoders against transformers' own forward pass of each member."""

from __future__ import annotations

import gc

import pytest
import torch

from components.decoding.accelerator.decoders.marian_on_device import StackedMarianState
from components.decoding.accelerator.decoders.marian_stack import (
    _STACKS,
    MAX_STACKS,
    architecture_of,
    stack_models,
)
from tests.components.decoding import tiny_models


def plain_marian(seed: int, vocabulary: int = 60) -> torch.nn.Module:
    model = tiny_models.marian(seed=seed, vocabulary=vocabulary)
    model.get_output_embeddings()._forward_hooks.clear()
    return model.eval()


@pytest.mark.parametrize("n_members", [1, 3])
@torch.no_grad()
def test_every_member_is_its_own_forward_pass(n_members: int) -> None:
    """Rows are repeated, reordered and dropped, unevenly too; sources are padded differently."""
    models = [plain_marian(seed) for seed in range(n_members)]
    inputs = tiny_models.sources(models[0], 3)
    before = [model(**inputs, decoder_input_ids=inputs["input_ids"]).logits for model in models]
    stack = stack_models(models)
    assert stack_models(models) is stack
    after = [model(**inputs, decoder_input_ids=inputs["input_ids"]).logits for model in models]
    torch.testing.assert_close(after, before)
    encoded = [model.get_encoder()(**inputs).last_hidden_state for model in models]
    mask = inputs["attention_mask"]
    masks = [mask] * n_members
    if n_members > 1:  # one reads two positions of padding more
        encoded[1] = torch.nn.functional.pad(encoded[1], (0, 0, 0, 2))
        masks[1] = torch.nn.functional.pad(mask, (0, 2))
    state = StackedMarianState(stack, encoded, masks)
    rows, texts = torch.arange(3), torch.full((3, 1), 59)
    state.step(texts)
    for moves in ([0, 0, 1, 2, 2], [1, 0, 2, 2, 4], [4, 4, 3], [1, 0, 2]):
        beam_indices = torch.tensor(sorted(moves, key=lambda move: int(rows[move])))
        rows = rows[beam_indices]
        new = torch.randint(1, 58, (len(rows), 2), generator=torch.Generator().manual_seed(len(moves)))
        texts = torch.cat([texts[beam_indices], new], dim=1)
        state.prepare_step(state.rows.move(beam_indices))
        hidden = state.step(new)
        scores = stack.scores(hidden[:, :, -1])
        for member, model in enumerate(models):
            expected = model(
                input_ids=inputs["input_ids"][rows], attention_mask=mask[rows], decoder_input_ids=texts
            ).logits[:, -1]
            torch.testing.assert_close(scores[member], expected, rtol=1e-4, atol=1e-4)


def test_weights_are_in_memory_once_and_other_architectures_are_others() -> None:
    models = [plain_marian(seed) for seed in range(2)]
    stack = stack_models(models)
    weight = models[1].model.decoder.layers[0].self_attn.k_proj.weight
    assert weight.untyped_storage().data_ptr() == stack.layers[0].qkv[0].untyped_storage().data_ptr()
    assert models[1].lm_head.weight is models[1].model.decoder.embed_tokens.weight
    assert architecture_of(models[0]) == architecture_of(models[1])
    assert architecture_of(models[0]) != architecture_of(plain_marian(0, vocabulary=50))


def test_few_stacks_of_a_model_are_kept_and_none_of_a_model_that_is_gone() -> None:
    first, *others = [plain_marian(seed) for seed in range(MAX_STACKS + 2)]
    for other in others:
        stack_models([first, other])
    assert len(_STACKS[first]) == MAX_STACKS
    del others[1:], other
    gc.collect()
    alone = stack_models([first])
    assert stack_models([first, others[0]]) is not alone and len(_STACKS[first]) == 2
