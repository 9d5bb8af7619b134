"""Speech from texts as a node: files that the stage owns, what is spoken stays, a text node is spoken."""

from __future__ import annotations

from pathlib import Path

import pytest

from components import audio
from components.errors import ConfigError
from components.nodes.node_context import Item, NodeContext
from components.records import Quarantined, Utterance
from components.storage.stages.reader import resolve_audio_path
from components.storage.stages.whole_stage import StageFiles
from components.synthesis import engines
from components.synthesis.config import SynthesisConfig
from components.synthesis.kinds.synthesize import Synthesize
from tests.components.synthesis.double import ENGINE, SAMPLES

SETTINGS = SynthesisConfig(engine="flite")


@pytest.fixture(autouse=True)
def _speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(engines.ENGINES, "flite", ENGINE)


def written(key: str, text: str) -> Utterance:
    return Utterance(id=key, text=text, source_language="en", target_language="de", references=("x",))


def collect(folder: Path, sort: str, *utterances: Utterance) -> tuple[StageFiles, list[Utterance], list[str]]:
    context = NodeContext("speech", of=("it",), types=(sort,))  # type: ignore[arg-type]
    folder.mkdir(exist_ok=True)
    product = Synthesize().collect(SETTINGS, context, (Item(utterance=u) for u in utterances), folder)
    outcomes = product.records or []
    bad = [outcome for outcome in outcomes if isinstance(outcome, Quarantined)]
    assert all(one.stage == "speech" for one in bad)
    good = [outcome for outcome in outcomes if isinstance(outcome, Utterance)]
    return product, good, [one.utterance_id for one in bad]


def test_what_is_written_is_spoken_and_what_is_spoken_stays(tmp_path: Path) -> None:
    _, (first,), _ = collect(tmp_path / "first", "data", written("a", "two dogs"))
    there = resolve_audio_path(first, tmp_path / "first", tmp_path)
    product, (again, kept), bad = collect(
        tmp_path / "second", "data", written("a", "two dogs"), written("b", "..."), there
    )
    assert (product.items, bad) == (3, ["b"])
    assert kept == there
    assert again == first
    assert (again.text, again.transcript, again.references) == (None, "two dogs", ("x",))
    # Of the stage's own files only: a store may be moved, and what it holds is sealed.
    assert sorted(product.files) == [again.audio.path]
    assert len(audio.decode(resolve_audio_path(again, tmp_path / "second", tmp_path).audio)) == SAMPLES * len(
        "two dogs\n"
    )  # type: ignore[arg-type]


def test_what_an_attempt_before_has_spoken_is_used(tmp_path: Path) -> None:
    _, (one,), _ = collect(tmp_path / "s", "data", written("a", "two dogs"))
    file = Path(str(resolve_audio_path(one, tmp_path / "s", tmp_path).audio.path))  # type: ignore[union-attr]
    before = file.stat().st_mtime_ns
    collect(tmp_path / "s", "data", written("a", "two dogs"), written("b", "a dog"))
    assert file.stat().st_mtime_ns == before


def test_a_text_node_is_spoken_in_the_place_of_the_recording(tmp_path: Path) -> None:
    _, (spoken,), _ = collect(tmp_path / "first", "data", written("a", "two dogs"))
    item = resolve_audio_path(spoken, tmp_path / "first", tmp_path).model_copy(
        update={"text": "zwei Hunde", "source_language": "de"}
    )
    _, (other,), _ = collect(tmp_path / "second", "text", item)
    assert (other.transcript, other.source_language) == ("zwei Hunde", "de")
    assert other.audio != spoken.audio


def test_an_engine_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(engines.shutil, "which", lambda name: None)
    with pytest.raises(ConfigError, match="expected the program flite on PATH, found none; install it"):
        Synthesize().validate_models(SETTINGS, NodeContext("speech"), frozenset())
