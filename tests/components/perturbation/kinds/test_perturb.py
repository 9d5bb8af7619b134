"""Perturbed speech and texts as a node: files that the stage owns, and refusals before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components import audio
from components.errors import ConfigError
from components.nodes.node_context import Item, NodeContext
from components.perturbation.config import PerturbationConfig
from components.perturbation.kinds.perturb import Perturb
from components.records import Quarantined, ReferenceSegment, Utterance
from components.storage.stages.reader import resolve_audio_path
from tests.graph_text import parse_pipeline

SAMPLES = Path(__file__).parents[4] / "components/samples"


def spoken(name: str) -> Utterance:
    sound = audio.describe(SAMPLES / f"{name}.flac")
    return Utterance(id=name, audio=sound, source_language="en", transcript="x")


def collect(folder: Path, config: PerturbationConfig, *utterances: Utterance) -> list[Any]:
    folder.mkdir()
    items = (Item(utterance=utterance) for utterance in utterances)
    product = Perturb().collect(config, NodeContext("worse", seed=1, types=("data",)), items, folder)
    assert all((folder / name).is_file() for name in product.files)
    return list(product.records or [])


def test_speech_is_written_at_the_stated_ratio(tmp_path: Path) -> None:
    clean = spoken("caption-01")
    (outcome,) = collect(tmp_path / "s", PerturbationConfig(snr_db=10), clean)
    worse = resolve_audio_path(outcome, tmp_path / "s", tmp_path)
    assert (worse.transcript, worse.id) == ("x", clean.id)
    before, after = audio.decode(clean.audio).astype(float), audio.decode(worse.audio).astype(float)
    gain = (after @ before) / (before @ before)  # what would be louder than full scale is made softer
    noise = after / gain - before
    assert 10 * np.log10(np.mean(before**2) / np.mean(noise**2)) == pytest.approx(10, abs=0.2)


def test_reference_segments_follow_the_speed(tmp_path: Path) -> None:
    segments = (ReferenceSegment(start=0.5, end=1.0, transcript="x"),)
    clean = spoken("caption-01").model_copy(update={"reference_segments": segments})
    (worse,) = collect(tmp_path / "s", PerturbationConfig(speed=2.0), clean)
    assert worse.audio.seconds == pytest.approx(clean.audio.seconds / 2, abs=0.01)
    assert [(s.start, s.end, s.transcript) for s in worse.reference_segments] == [(0.25, 0.5, "x")]


def test_what_cannot_be_read_is_quarantined_and_what_is_written_passes(tmp_path: Path) -> None:
    gone = spoken("caption-02")
    gone = gone.model_copy(
        update={"audio": gone.audio.model_copy(update={"path": str(tmp_path / "no.flac")})}
    )
    text = Utterance(id="t", text="two dogs", source_language="en")
    refused, kept = collect(tmp_path / "s", PerturbationConfig(clipping=0.1), gone, text)
    assert isinstance(refused, Quarantined)
    assert (refused.utterance_id, kept) == ("caption-02", text)


def test_texts_become_texts(tmp_path: Path) -> None:
    text = Utterance(id="t", text="Two dogs.", source_language="en")
    (outcome,) = collect(tmp_path / "s", PerturbationConfig(lowercase=True, strip_punctuation=True), text)
    assert outcome.best.text == "two dogs"


def test_an_amount_of_text_that_is_set_to_nothing_gives_the_text_as_it_is(tmp_path: Path) -> None:
    """The first of a matrix ``typos: [0, 0.1]`` is a system as the others."""
    none = PerturbationConfig(typos=0)
    assert Perturb().facts(none).output == "text"
    text = Utterance(id="t", text="Two dogs.", source_language="en")
    (outcome,) = collect(tmp_path / "s", none, text)
    assert outcome.best.text == "Two dogs."
    assert Perturb().facts(PerturbationConfig(snr_db=None)).output == "speech"
    assert Perturb().facts(PerturbationConfig()).output == "speech"


def test_speech_is_not_made_of_a_text_and_noise_is_a_recording(tmp_path: Path) -> None:
    context = NodeContext("worse", types=("text",))
    with pytest.raises(ConfigError, match="expected speech for these settings, found a text"):
        Perturb().check(PerturbationConfig(speed=0.9), context)
    with pytest.raises(ConfigError, match="noise_file: "):
        Perturb().check(
            PerturbationConfig(snr_db=3, noise_file=str(tmp_path / "no.wav")), NodeContext("worse")
        )


def test_a_recognizer_hears_it_and_a_translator_reads_it() -> None:
    pipeline = parse_pipeline(
        "target_language: de\nnodes:\n  noisy: {kind: perturb, snr_db: 5}\n"
        "  asr: {kind: recognize, of: noisy}\n  typed: {kind: perturb, of: asr, typos: 0.1}\n"
        "  mt: {kind: translate, of: typed}"
    )
    assert [pipeline.nodes[name].output for name in ("noisy", "typed")] == ["speech", "text"]
    assert pipeline.outputs["translation"] == "mt"
