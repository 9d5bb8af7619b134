"""A stacked model before its first step is the text model; afterwards it hears."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from components.decoding.config import SearchConfig
from components.decoding.searches.forced_scoring import force_decode
from components.decoding.searches.search import search
from components.networks.stacked_model import Sources
from components.stacking.model_folder import LoadedStackedModel
from components.stacking.stacked_scorer import StackedScorer
from tests.components.stacking import tiny

TEXTS = ["ein hund", "rot blau katze sieht", "baum"]
TARGETS = torch.tensor([[5, 9, 12, 7], [6, 6, 3, 11], [20, 4, 8, 2]])


@pytest.fixture(scope="module")
def text_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.text_model(tmp_path_factory.mktemp("text"))


def logits(ready: LoadedStackedModel, sources: Sources, inputs: Tensor = TARGETS) -> Tensor:
    memory = ready.model.encode(sources)
    return ready.model.logits(ready.model.decode_hidden(inputs, memory, ready.model.project_memory(memory)))


def activate_speech(ready: LoadedStackedModel) -> LoadedStackedModel:
    """The same model with listening that says something."""
    torch.manual_seed(5)
    for listening in ready.model.listening:
        torch.nn.init.normal_(listening.out_proj.weight, std=0.5)
    return ready


@torch.no_grad()
def test_at_step_0_a_dual_model_is_the_text_model(text_folder: Path) -> None:
    ready = tiny.stacked(text_folder)
    sources = tiny.sources(ready, TEXTS)
    ours = logits(ready, sources)
    theirs = ready.model.text(
        input_ids=sources.text[:, 0], attention_mask=sources.text_mask[:, 0], decoder_input_ids=TARGETS
    ).logits
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    assert torch.equal(ours, logits(ready, tiny.sources(ready, TEXTS, seed=9)))  # whatever it hears
    for beam in (1, 4):
        config = SearchConfig(beam_size=beam, max_new_tokens=12)
        result = search([StackedScorer(ready, sources)], config)
        generated = ready.model.text.generate(
            input_ids=sources.text[:, 0],
            attention_mask=sources.text_mask[:, 0],
            num_beams=beam,
            max_new_tokens=12,
            forced_eos_token_id=None,
            bad_words_ids=None,
        )
        for candidates, row in zip(result, generated.tolist(), strict=True):
            ids = row[1:]
            assert list(candidates[0].tokens) == ids[: len(candidates[0].tokens)]


@torch.no_grad()
@pytest.mark.parametrize("kind", ["direct", "dual"])
def test_cached_steps_are_the_whole_sequence(text_folder: Path, kind: str) -> None:
    ready = activate_speech(tiny.stacked(text_folder, kind))  # type: ignore[arg-type]
    sources = tiny.sources(ready, TEXTS, lengths=(7, 3, 5))
    start = torch.full((3, 1), ready.model.config.decoder_start_token_id)
    expected = logits(ready, sources, torch.cat([start, TARGETS[:, :-1]], 1)).log_softmax(-1)
    expected = expected.gather(2, TARGETS[..., None])[..., 0]
    result = force_decode([StackedScorer(ready, sources)], TARGETS.tolist())
    torch.testing.assert_close(torch.tensor([c.log_probs for c in result]), expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["direct", "dual"])
def test_utterances_do_not_influence_each_other(text_folder: Path, kind: str) -> None:
    ready = activate_speech(tiny.stacked(text_folder, kind, stack=2))  # type: ignore[arg-type]
    sources = tiny.sources(ready, TEXTS, lengths=(7, 3, 4))
    together = logits(ready, sources)
    config = SearchConfig(beam_size=3, n_best=2, max_new_tokens=10)
    result = search([StackedScorer(ready, sources)], config)
    for row, length in enumerate((7, 3, 4)):
        alone = Sources(
            sources.text[row : row + 1],
            sources.text_mask[row : row + 1],
            sources.speech[row : row + 1, :length],
            sources.speech_mask[row : row + 1, :length],
        )
        torch.testing.assert_close(
            logits(ready, alone, TARGETS[row : row + 1])[0], together[row], rtol=1e-4, atol=1e-4
        )
        single = search([StackedScorer(ready, alone)], config)[0]
        assert [c.tokens for c in single] == [c.tokens for c in result[row]]


@torch.no_grad()
def test_what_is_not_heard_changes_nothing_and_what_is_heard_does(text_folder: Path) -> None:
    ready = activate_speech(tiny.stacked(text_folder))
    first, second = (tiny.sources(ready, TEXTS, seed=seed) for seed in (0, 1))
    assert (logits(ready, first) - logits(ready, second)).abs().max() > 1e-3
    silent = [Sources(s.text, s.text_mask, s.speech, s.speech_mask & False) for s in (first, second)]
    assert torch.equal(logits(ready, silent[0]), logits(ready, silent[1]))


@torch.no_grad()
def test_several_transcripts_are_read_side_by_side(text_folder: Path) -> None:
    ready = tiny.stacked(text_folder)
    sources = tiny.sources(ready, ["ein hund"])
    inputs = TARGETS[:1]
    twice = Sources(
        sources.text.repeat(1, 2, 1), sources.text_mask.repeat(1, 2, 1), sources.speech, sources.speech_mask
    )
    torch.testing.assert_close(logits(ready, twice, inputs), logits(ready, sources, inputs))  # softmax halves
    other = tiny.sources(ready, ["katze"])
    width = sources.text.shape[2] - other.text.shape[2]
    pad = torch.nn.functional.pad
    mixed = torch.cat([sources.text, pad(other.text, (0, width), value=ready.model.config.pad_token_id)], 1)
    mask = torch.cat([sources.text_mask, pad(other.text_mask, (0, width))], 1)
    both = logits(ready, Sources(mixed, mask, sources.speech, sources.speech_mask), inputs)
    assert (both - logits(ready, sources, inputs)).abs().max() > 1e-3


def test_gradients_reach_the_sound_through_the_zero_projection(text_folder: Path) -> None:
    ready = tiny.stacked(text_folder)
    logits(ready, tiny.sources(ready, TEXTS))[..., 3].sum().backward()
    for listening in ready.model.listening:
        assert listening.out_proj.weight.grad.abs().max() > 0  # type: ignore[union-attr]
        assert listening.v_proj.weight.grad.abs().max() == 0  # type: ignore[union-attr]
    activate_speech(ready).model.zero_grad()
    logits(ready, tiny.sources(ready, TEXTS))[..., 3].sum().backward()
    assert ready.model.adapter.project.weight.grad.abs().max() > 0  # type: ignore[union-attr]
