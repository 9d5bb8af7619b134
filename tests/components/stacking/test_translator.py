"""Stacked translation: what is quarantined, what is refused, and the lines that a method reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.compute.progress import listen
from components.errors import ConfigError
from components.records import Audio, NBest, Quarantined, Utterance
from components.stacking.config import StackConfig
from components.stacking.methods import METHODS, join_tokens
from components.stacking.model_folder import LoadedStackedModel, save_stacked
from components.stacking.translator import build_translator
from tests.components.stacking import tiny

pytestmark = pytest.mark.core


@pytest.fixture(scope="module")
def dual(text_folder: Path, whisper_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dual")
    ready = tiny.stacked(text_folder)
    speech = ready.speech.model_copy(update={"model": str(whisper_folder)})
    save_stacked(LoadedStackedModel(ready.model, ready.tokenizer, speech, "dual"), folder)
    return folder


def test_bad_utterances_are_quarantined_and_the_rest_goes_on(
    dual: Path, text_folder: Path, tmp_path: Path
) -> None:
    good = tiny.tone(tmp_path / "good.wav", 300).model_copy(update={"text": "ein hund"})
    gone = Audio(path=str(tmp_path / "gone.wav"), sha256="0" * 64, seconds=1, sample_rate=16000)
    rows = [
        good.model_copy(update={"id": "gone", "audio": gone}),
        good,
        good.model_copy(update={"id": "written", "audio": None}),
        good.model_copy(update={"id": "long", "audio": good.audio.model_copy(update={"seconds": 31.0})}),
        good.model_copy(update={"id": "wordy", "text": "ein " * 600}),
    ]
    config = StackConfig(model=str(dual), beam_size=2, n_best=2, max_tokens=8)
    shares: list[float] = []
    with listen(shares.append):
        outcomes = build_translator(config, str(text_folder)).translate(rows)
    assert shares == [1.0]
    assert [o.utterance_id for o in outcomes] == [u.id for u in rows]
    assert [isinstance(o, NBest) for o in outcomes] == [False, True, False, False, False]
    details = [o.detail for o in outcomes if isinstance(o, Quarantined)]
    for detail, message in zip(details, ["gone.wav", "found text only", "31.0", "at most 512"], strict=True):
        assert message in detail


def test_a_method_needs_its_model_and_a_model_its_method(dual: Path, text_folder: Path) -> None:
    with pytest.raises(ConfigError, match="expected a model"):
        build_translator(StackConfig(), str(text_folder))
    with pytest.raises(ConfigError, match="kind direct, found dual"):
        build_translator(StackConfig(method="direct", model=str(dual)), str(text_folder))
    with pytest.raises(ConfigError, match="expected a coefficient"):
        build_translator(StackConfig(method="late_fusion", model=str(dual)), str(text_folder))


def test_the_lines_of_a_method(dual: Path, text_folder: Path) -> None:
    lines = [(5, 0), (6, 7, 0), (8, 0)]
    two = METHODS["dual_source"](StackConfig(model=str(dual), transcripts=2), str(text_folder), None)
    assert two.join_lines(lines) == ((5, 0), (6, 7, 0))
    config = StackConfig(method="pre_translation", model=str(text_folder))
    assert METHODS["pre_translation"](config, str(text_folder), None).join_lines(lines) == ((5, 0, 8, 0),)
    assert join_tokens((1, 0), (2, 3, 0)) == (1, 0, 2, 3, 0)


def test_pre_translation_reads_source_and_draft(text_folder: Path) -> None:
    model = str(text_folder)
    config = StackConfig(method="pre_translation", model=model, beam_size=1, n_best=1, max_tokens=8)
    stacked = build_translator(config, str(text_folder))

    def score(lines: str) -> float:
        outcome = stacked.translate([Utterance(id="u", text=lines, source_language="en")])[0]
        return outcome.best.score

    assert score("ein hund\nrot") == score("ein hund\nrot")
    assert len({score("ein hund\nrot"), score("ein hund\nblau katze"), score("baum\nrot")}) == 3
