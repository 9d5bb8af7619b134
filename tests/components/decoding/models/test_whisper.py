"""The Whisper member against openai-whisper's own decoder, its hooks and its beam search."""

from __future__ import annotations

import pytest
import torch
from whisper.decoding import BeamSearchDecoder, DecodingOptions, DecodingTask
from whisper.model import Whisper

from components.decoding.config import SearchConfig
from components.decoding.models.whisper import WhisperTokenScorer
from components.decoding.models.whisper_decoder import WhisperDecoder
from components.decoding.scorers import TokenScorer
from components.decoding.searches.search import search
from components.recognition.whisper.backend import ModelDimensions
from components.recognition.whisper.logits_processors import whisper_logits_processors
from tests.components.recognition.tiny import mels, tiny


@pytest.fixture(scope="module")
def model() -> Whisper:
    return tiny()


def member_of(
    model: Whisper, features: torch.Tensor, prompts: list[list[int]], keeps_windows: bool = False
) -> WhisperTokenScorer:
    decoder = WhisperDecoder(model)
    tokenizer = ModelDimensions(80, 64, model.dims.n_vocab).get_tokenizer(None, "transcribe")
    with torch.no_grad():
        cross = decoder.cross_attention_states(features)
        return WhisperTokenScorer(
            decoder, tokenizer, cross, torch.tensor(prompts), keeps_windows=keeps_windows
        )


@torch.no_grad()
def test_steps_equal_the_uncached_decoder_whatever_happens_to_the_rows(model: Whisper) -> None:
    """Rows are repeated, reordered, dropped unevenly; each step is checked against a full forward pass."""
    features = model.encoder(mels(3))
    prompts = [[50258, 50259, 50359], [50258, 50261, 50359], [50258, 50262, 50359]]
    member = member_of(model, features, prompts)
    assert isinstance(member, TokenScorer)
    got = member.prefill()
    rows, owners = [list(p) for p in prompts], [0, 1, 2]
    plan = [[0, 0, 1, 1, 2, 2], [1, 0, 2, 3, 5, 4], [0, 1, 2, 4], [0, 3], [1, 1, 1], [0, 1, 2], [2]]
    generator = torch.Generator().manual_seed(3)
    for parents in plan:
        full = model.decoder(torch.tensor(rows), features[owners])
        torch.testing.assert_close(got, full[:, -1], rtol=1e-4, atol=1e-4)
        tokens = torch.randint(0, 50000, (len(parents),), generator=generator)
        rows = [[*rows[p], int(t)] for p, t in zip(parents, tokens, strict=True)]
        owners = [owners[p] for p in parents]
        got = member.step(torch.tensor(parents), tokens)
    full = model.decoder(torch.tensor(rows), features[owners])
    torch.testing.assert_close(got, full[:, -1], rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_windows_that_are_kept_can_all_be_read_after_some_have_finished(model: Whisper) -> None:
    features, prompt = model.encoder(mels(4)), [50258, 50259, 50359]
    member = member_of(model, features, [prompt] * 4, keeps_windows=True)
    before = [states.clone() for states in member.windows()[0]]
    member.prefill()
    for rows, alive in (([1, 2, 3], [1, 2, 3]), ([1, 2], [2, 3]), ([1], [3])):
        scores = member.step(torch.tensor(rows), torch.full((len(rows),), 400))
        prompt = [*prompt, 400]
        full = model.decoder(torch.tensor([prompt] * len(alive)), features[alive])
        torch.testing.assert_close(scores, full[:, -1], rtol=1e-4, atol=1e-4)
    states, _, slots = member.windows()
    assert slots.tolist() != [0, 1, 2, 3]
    for layer, expected in zip(states, before, strict=True):
        assert torch.equal(layer[:, slots], expected)


@torch.no_grad()
def test_texts_longer_than_the_first_cache_equal_the_uncached_decoder() -> None:
    model = tiny(context=128)
    features, rows = model.encoder(mels(1)), [[50258, 50259, 50359]]
    member = member_of(model, features, rows)
    member.prefill()
    generator = torch.Generator().manual_seed(5)
    for _ in range(2):
        tokens = torch.randint(0, 50000, (1, 40), generator=generator)
        rows = [[*rows[0], *tokens[0].tolist()]]
        full = model.decoder(torch.tensor(rows), features)
        torch.testing.assert_close(
            member.score_tokens(torch.tensor([0]), tokens), full[:, -40:], rtol=1e-3, atol=1e-3
        )


@torch.no_grad()
def test_no_speech_is_read_at_start_of_transcript_even_after_a_prompt(model: Whisper) -> None:
    features = model.encoder(mels(1))
    prompt = [50361, 400, 500, 50258, 50259, 50359]
    member = member_of(model, features, [prompt])
    member.prefill()
    logits = model.decoder(torch.tensor([prompt]), features)
    assert member.no_speech.item() == pytest.approx(logits[0, 3].softmax(-1)[50362].item(), rel=1e-3)


@pytest.mark.parametrize("timestamps", [True, False])
@pytest.mark.parametrize("seed", [0, 1, 2])
@torch.no_grad()
def test_greedy_equals_openai_whisper(seed: int, timestamps: bool) -> None:
    model, batch = tiny(seed), mels(3, seed)
    options = DecodingOptions(language="de", fp16=False, sample_len=12, without_timestamps=not timestamps)
    expected = model.decode(batch, options)
    tokenizer = ModelDimensions(80, 64, model.dims.n_vocab).get_tokenizer("de", "transcribe")
    sequence = tokenizer.sot_sequence if timestamps else tokenizer.sot_sequence_including_notimestamps
    member = member_of(model, model.encoder(batch), [list(sequence)] * 3)
    processors = whisper_logits_processors(tokenizer, timestamps)
    results = search([member], SearchConfig(beam_size=1, max_new_tokens=12), logits_processors=processors)
    for theirs, (ours, *_), quiet in zip(expected, results, member.no_speech.tolist(), strict=True):
        assert list(ours.tokens) == theirs.tokens
        assert ours.score / (len(ours.tokens) + 1) == pytest.approx(theirs.avg_logprob, rel=1e-3)
        assert quiet == pytest.approx(theirs.no_speech_prob, rel=1e-3)


@torch.no_grad()
def test_beam_scores_are_those_of_openai_whisper(model: Whisper) -> None:
    """The two searches stop by different rules; what both find must have one score."""
    window = mels(1, 7)
    options = DecodingOptions(language="en", fp16=False, sample_len=8, beam_size=4)
    task = DecodingTask(model, options)
    task.run(window.repeat(1, 1, 1))
    assert isinstance(task.decoder, BeamSearchDecoder)
    theirs = {s[3:-1]: v for s, v in (task.decoder.finished_sequences or [{}])[0].items()}
    tokenizer = ModelDimensions(80, 64, model.dims.n_vocab).get_tokenizer("en", "transcribe")
    member = member_of(model, model.encoder(window), [list(tokenizer.sot_sequence)])
    config = SearchConfig(beam_size=4, n_best=4, max_new_tokens=8)
    ours = search([member], config, logits_processors=whisper_logits_processors(tokenizer, True))[0]
    common = [c for c in ours if c.tokens in theirs]
    assert common
    for candidate in common:
        assert candidate.score == pytest.approx(theirs[candidate.tokens], rel=1e-3)


@torch.no_grad()
def test_a_window_decodes_the_same_alone_and_in_a_batch(model: Whisper) -> None:
    batch = mels(3, 9)
    tokenizer = ModelDimensions(80, 64, model.dims.n_vocab).get_tokenizer("en", "transcribe")
    processors = whisper_logits_processors(tokenizer, True)
    config = SearchConfig(beam_size=3, n_best=3, max_new_tokens=10)
    prompt = list(tokenizer.sot_sequence)
    together = search(
        [member_of(model, model.encoder(batch), [prompt] * 3)], config, logits_processors=processors
    )
    for i in range(3):
        alone = search(
            [member_of(model, model.encoder(batch[i : i + 1]), [prompt])],
            config,
            logits_processors=processors,
        )[0]
        assert [c.tokens for c in alone] == [c.tokens for c in together[i]]
