"""Terms and a CTC model in the search of tiny random Whispers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from whisper.tokenizer import get_tokenizer

from components.decoding.config import SearchConfig
from components.decoding.constraints.guidance import Guidance
from components.decoding.constraints.logits_processors import History
from components.decoding.ctc.forward import LogProbs, compute_forward, score_prefixes
from components.ensembling.token_level.whisper_ensemble import WhisperEnsemble
from components.errors import ConfigError
from components.recognition import checks, factory
from components.recognition.backends.whisper.model import OpenAIWhisperBackend
from components.recognition.config import RecognitionConfig
from components.recognition.ctc.decoder import CtcVocabulary
from components.recognition.vad.windows import Span
from components.recognition.whisper.backend import DecodingRequest
from components.recognition.whisper.guides.ctc import CtcGuide, number_characters
from components.recognition.whisper.guides.terms import TermGuide
from components.recognition.whisper.windows.decoding_state import UtteranceState, WindowStream
from components.records import Utterance
from tests.components.recognition.tiny import mels, tiny

PROMPT = torch.tensor([get_tokenizer(True, num_languages=99, language="en").sot_sequence] * 2)


def _list(folder: Path, rows: str) -> str:
    path = folder / "terms.tsv"
    path.write_text(rows, encoding="utf-8")
    return str(path)


def _streams(n: int) -> list[WindowStream]:
    utterance = Utterance.model_validate({"id": "u", "text": "x", "source_language": "en"})
    samples = np.random.default_rng(0).normal(size=16000).astype(np.float32)
    state = UtteranceState(0, utterance, samples, "en")
    return [WindowStream(state, [Span(0.0, 1.0)], is_first=True) for _ in range(n)]


@pytest.mark.parametrize(
    ("beam", "task", "rows"),
    [
        (1, "transcribe", "source\ttarget\tboost\nKovalenko\tNebel\t30\n"),
        (3, "translate", "source\ttarget\tboost\nNebel\tKovalenko\t30\n"),
    ],
)
def test_a_boosted_name_is_written_by_one_model_and_by_several(
    tmp_path: Path, beam: int, task: str, rows: str
) -> None:
    backend = OpenAIWhisperBackend(tiny(context=32))
    tokenizer = backend.dims.get_tokenizer(None, "transcribe")
    guide = TermGuide(_list(tmp_path, rows), task)
    config = SearchConfig(beam_size=beam, max_new_tokens=10)
    for each in (backend, WhisperEnsemble({"a": backend, "b": backend}, "linear")):
        features = each.encode(mels(2))

        def decode(rows: list[int], each: Any = each, features: Any = features) -> list[str]:
            bias = guide.build_bias(_streams(len(rows)), tokenizer, backend.dims.n_vocab)
            assert bias is not None
            request = DecodingRequest(PROMPT[: len(rows)], config, True, rows, None, Guidance([bias]))
            results = each.decode(features[rows], request)
            best = [result.candidates[0] for result in results]
            assert all(value <= 0 for candidate in best for value in candidate.log_probs)
            return [tokenizer.decode(list(candidate.tokens)) for candidate in best]

        texts = decode([0, 1])
        assert all("Kovalenko" in text for text in texts)
        assert texts == [*decode([0]), *decode([1])]
        plain = each.decode(features, DecodingRequest(PROMPT, config, True, [0, 1]))
        assert not any("Kovalenko" in tokenizer.decode(list(r.candidates[0].tokens)) for r in plain)


class _Letters:
    """A CTC model of letters, which hears random frames."""

    language = "en"
    vocabulary = CtcVocabulary(0, ("", " ", *"abcdefghijklmnopqrstuvwxyz"))

    def score_frames(self, samples: Any) -> LogProbs:
        scores = torch.randn(
            30, 28, generator=torch.Generator().manual_seed(len(samples)), dtype=torch.float64
        )
        return np.asarray(scores.log_softmax(-1))

    def decode(self, tokens: Any) -> str:
        return ""


def test_ctc_scores_what_the_tokens_say() -> None:
    """In lower case, without punctuation and timestamps, over the samples of the window."""
    tokenizer = get_tokenizer(True, num_languages=99)
    bias = CtcGuide(_Letters(), 0.4, "letters").build_bias(_streams(1), tokenizer, 51865)
    before = [50364, *tokenizer.encode(" The cat,")]
    after = tokenizer.encode(" sat")
    log_probs = torch.full((1, 51865), -20.0)
    log_probs[0, [after[0], tokenizer.eot]] = -1.0
    scores = bias(log_probs.clone(), History(torch.tensor([before]), torch.tensor([0]), 9))
    frames = _Letters().score_frames(np.zeros(16000))

    def numbers(text: str) -> list[int]:
        return [_Letters.vocabulary.pieces.index(character) for character in text]

    text = numbers("the cat sat")
    prefixes = score_prefixes(frames, text, compute_forward(frames, text, 0))
    cat = len("the cat")
    whole = compute_forward(frames, text[:cat], 0).log_prob
    assert float(scores[0, after[0]]) == pytest.approx(-0.6 + 0.4 * (prefixes[-1] - prefixes[cat]), abs=1e-4)
    assert float(scores[0, tokenizer.eot]) == pytest.approx(-0.6 + 0.4 * (whole - prefixes[cat]), abs=1e-4)


def test_a_window_of_a_frame_is_long_enough_for_the_convolutions_of_a_ctc_model() -> None:
    class Convolutions(_Letters):
        def score_frames(self, samples: Any) -> LogProbs:
            assert len(samples) >= 400  # Wav2Vec2's: less of them raises
            return super().score_frames(samples)

    (stream,) = _streams(1)
    stream.spans = [Span(0.0, 0.01)]
    tokenizer = get_tokenizer(True, num_languages=99)
    CtcGuide(Convolutions(), 0.4, "letters").build_bias([stream], tokenizer, 51865)


def test_a_model_of_longer_pieces_is_refused() -> None:
    class Pieces(_Letters):
        vocabulary = CtcVocabulary(0, ("", " the"))

    with pytest.raises(ConfigError, match=r"ctc\.model: expected a CTC model of characters, found big with"):
        number_characters(Pieces(), "big")


@pytest.mark.parametrize(
    "setting",
    [{"terms": "terms.tsv"}, {"ctc": {"model": "store:x"}}, {"language_model": {"model": "x.arpa"}}],
)
def test_backends_that_decode_by_themselves_take_no_guidance(setting: dict[str, Any]) -> None:
    config = RecognitionConfig.model_validate({"model": "served:x", "backend": "served", **setting})
    with pytest.raises(ConfigError, match="expected backend transformers or whisper, found served"):
        factory.load_guides(config, None, "transcribe")


def test_an_ngram_model_that_is_not_there_is_found_before_a_model_is_loaded() -> None:
    config = RecognitionConfig.model_validate({"language_model": {"model": "none.arpa"}})
    with pytest.raises(ConfigError, match=r"language_model: expected an ARPA file, found none at none.arpa"):
        checks.check(config, None)


def test_a_wrong_line_is_found_before_a_model_is_loaded(tmp_path: Path) -> None:
    config = RecognitionConfig(terms=_list(tmp_path, "source\tboost\nKovalenko\tx\n"))
    with pytest.raises(ConfigError, match=r"terms.tsv:2: boost: .* found 'x'"):
        checks.check(config, None)
