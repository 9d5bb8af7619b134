"""Searches behind a forced prefix are those of ``generate``; a text's own beginning changes nothing."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from components.decoding.config import SearchConfig
from components.decoding.constraints.guidance import Guidance
from components.decoding.constraints.token_constraints import suppress_until
from components.decoding.models.generation_settings import logits_processors_of
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.searches.search import search
from components.errors import ConfigError
from tests.components.decoding.test_laws import FAMILIES
from tests.components.decoding.test_search import LENGTH, Table
from tests.components.decoding.tiny_models import SEQ2SEQ, generated, packed_marian, sources

pytestmark = pytest.mark.core


@pytest.mark.parametrize("name", FAMILIES)
def test_the_beginning_of_a_greedy_text_goes_on_to_that_text(name: str) -> None:
    (make, *_), processors = FAMILIES[name]()
    processors = [*processors, suppress_until(3, make().vocabulary.eos)]
    run = partial(search, config=SearchConfig(beam_size=1, max_new_tokens=6), logits_processors=processors)
    free, size = [nbest[0] for nbest in run([make()])], 2
    behind = [n[0] for n in run([make()], guidance=Guidance(prefix=[c.tokens[:size] for c in free]))]
    for one, two in zip(free, behind, strict=True):
        assert (one.tokens, one.eos_token) == (two.tokens, two.eos_token)
        assert two.log_probs[:size] == (0.0,) * size
        assert two.log_probs[size:] == pytest.approx(one.log_probs[size:], abs=1e-4)
        assert two.score == pytest.approx(sum(two.log_probs), abs=1e-4)


@pytest.mark.parametrize("beam", [1, 3])
@pytest.mark.parametrize("name", ["marian", "packed", "m2m", "t5"])
def test_a_search_behind_any_prefix_is_generate(name: str, beam: int) -> None:
    model = SEQ2SEQ["marian" if name == "packed" else name]()
    inputs = sources(model, 3)
    model.generation_config.forced_eos_token_id = model.generation_config.eos_token_id
    prefix = [[20, 21], [22, 23], [24, 25]]
    start = torch.full((3, 1), model.generation_config.decoder_start_token_id)
    theirs = generated(
        model,
        {**inputs, "decoder_input_ids": torch.cat([start, torch.tensor(prefix)], 1)},
        num_beams=beam,
        num_return_sequences=beam,
        max_length=12,
    )
    ready = packed_marian(model) if name == "packed" else Seq2SeqModel(model, "digest", "tiny")
    ours = search(
        [ready.build_scorer(**inputs)],
        SearchConfig(beam_size=beam, n_best=beam, max_new_tokens=11),
        logits_processors=logits_processors_of(model),
        guidance=Guidance(prefix=prefix),
    )
    assert [[c.tokens for c in u] for u in ours] == [[t for t, _ in u] for u in theirs]
    if beam > 1:
        for mine, other in zip(ours, theirs, strict=True):
            assert [c.normalized_score for c in mine] == pytest.approx([s for _, s in other], abs=1e-4)


@pytest.mark.parametrize(("most", "size"), [(2, 2), (9, LENGTH)])
def test_a_prefix_that_leaves_no_room_is_refused(most: int, size: int) -> None:
    with pytest.raises(ConfigError, match=f"fewer than {size} tokens, alone, found {size} tokens"):
        config = SearchConfig(beam_size=1, max_new_tokens=most)
        search([Table(1)], config, guidance=Guidance(prefix=[[1] * size]))
