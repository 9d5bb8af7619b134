from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from components.audio import decode
from components.compute.model_cache import measure_bytes
from components.data import load
from components.decoding.candidates import Candidate
from components.decoding.config import SearchConfig
from components.errors import ConfigError, ModelError
from components.models import resolve
from components.recognition.backends.faster_whisper.model import (
    FasterWhisperBackend,
    _to_candidates,
    find_ctranslate2_folder,
)
from components.recognition.whisper.backend import DecodingRequest, TokenAlignment
from components.recognition.whisper.windows.features import compute_log_mel, cut_window
from components.records import Checkpoint


def checkpoint(path: Path) -> Checkpoint:
    return Checkpoint(reference="hub:a/b", path=str(path), sha256="0" * 64, architecture="whisper")


def test_files_are_found_in_ct2_or_in_the_folder_itself(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"expects CTranslate2 files \(model.bin\).*found none"):
        find_ctranslate2_folder(checkpoint(tmp_path))
    (tmp_path / "model.bin").touch()
    assert find_ctranslate2_folder(checkpoint(tmp_path)) == tmp_path
    (tmp_path / "ct2").mkdir()
    (tmp_path / "ct2" / "model.bin").touch()
    assert find_ctranslate2_folder(checkpoint(tmp_path)) == tmp_path / "ct2"


def test_the_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    with pytest.raises(ConfigError, match=r"extra 'fast'.*pip install"):
        FasterWhisperBackend(checkpoint(tmp_path), "float32", torch.device("cpu"))


def test_damaged_files_are_one_line(tmp_path: Path) -> None:
    pytest.importorskip("ctranslate2")
    (tmp_path / "model.bin").write_bytes(b"no model")
    with pytest.raises(ModelError, match="CTranslate2 cannot load") as caught:
        FasterWhisperBackend(checkpoint(tmp_path), "float32", torch.device("cpu"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("multilingual", "n_mels", "n_vocab"), [(True, 80, 51865), (False, 80, 51864), (True, 128, 51866)]
)
def test_the_vocabulary_is_that_of_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, multilingual: bool, n_mels: int, n_vocab: int
) -> None:
    """Large-v3 and its turbo, known by 128 mel bands, have one language more."""
    (tmp_path / "model.bin").touch()
    model = SimpleNamespace(is_multilingual=multilingual, n_mels=n_mels)
    whisper = SimpleNamespace(Whisper=lambda *_, **__: model)
    library = SimpleNamespace(models=whisper, __spec__="installed")
    monkeypatch.setitem(sys.modules, "ctranslate2", library)
    backend = FasterWhisperBackend(checkpoint(tmp_path), "float32", torch.device("cpu"))
    assert (backend.dims.n_mels, backend.dims.n_vocab) == (n_mels, n_vocab)


@pytest.mark.parametrize("penalty", [0.0, 1.0, 2.0])
def test_scores_are_sums_again(penalty: float) -> None:
    sums = {(1, 2, 3): -3.0, (4,): -2.0}
    result = SimpleNamespace(
        sequences_ids=[list(tokens) for tokens in sums],
        scores=[total / len(tokens) ** penalty for tokens, total in sums.items()],
    )
    candidates = _to_candidates(result, penalty, eot=9)
    assert {c.tokens: c.score for c in candidates} == pytest.approx(sums)
    assert [c.normalized_score for c in candidates] == sorted(
        (c.normalized_score for c in candidates), reverse=True
    )


def test_scores_that_are_no_numbers_are_a_model_error() -> None:
    result = SimpleNamespace(sequences_ids=[[1]], scores=[float("nan")])
    with pytest.raises(ModelError, match="NaN"):
        _to_candidates(result, 1.0, eot=9)


@pytest.fixture(scope="module")
def backend() -> FasterWhisperBackend:
    pytest.importorskip("ctranslate2")
    return FasterWhisperBackend(resolve("packaged:whisper-base"), "float32", torch.device("cpu"))


@pytest.fixture(scope="module")
def features(backend: FasterWhisperBackend) -> Any:
    """Of a recording of the sample set."""
    spoken = next(u.audio for u in load("sample").utterances if u.audio and u.source_language == "en")
    return backend.encode(cut_window(compute_log_mel(decode(spoken)), 0)[None])


@pytest.mark.models
def test_words_of_a_window_shorter_than_a_position_are_timed(
    backend: FasterWhisperBackend, features: Any
) -> None:
    tokenizer = backend.dims.get_tokenizer("en", "transcribe")
    assert measure_bytes(backend)["cpu"] > 1e8  # so that the cache can evict it
    tokens = tuple(tokenizer.encode(" Hello you."))
    candidate = Candidate(tokens, -1.0, (), (), tokenizer.eot, -1.0)
    assert [language.code for language in backend.detect_languages(features)] == ["en"]
    for frames in (1, 3):
        alignment = backend._align(features, list(tokenizer.sot_sequence), candidate, frames)
        assert alignment.times == (0.0,) * (len(tokens) + 1)
    nothing = replace(candidate, tokens=())
    assert backend._align(features, list(tokenizer.sot_sequence), nothing, 3) == TokenAlignment((0.0,), ())


@pytest.mark.models
@pytest.mark.parametrize("prompted", [False, True])
def test_as_many_tokens_are_written_as_may_be(
    backend: FasterWhisperBackend, features: Any, prompted: bool
) -> None:
    """CTranslate2 writes at most half of the length that it is given, which counts the prompt, too."""
    tokenizer = backend.dims.get_tokenizer("en", "transcribe")
    before = [tokenizer.sot_prev, *tokenizer.encode(" Good morning.")] if prompted else []
    prompts = torch.tensor([[*before, *tokenizer.sot_sequence]])
    for most in (4, 9):
        search = SearchConfig(beam_size=1, n_best=1, max_new_tokens=most)
        (result,) = backend.decode(features, DecodingRequest(prompts, search, True, [0]))
        assert len(result.candidates[0].tokens) == most
