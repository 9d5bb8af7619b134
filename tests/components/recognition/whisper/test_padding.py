"""Padding in fewer positions: what stands for what, and that counting a position is repeating it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional
from whisper.model import Whisper

from components import audio
from components.data import load
from components.decoding.config import SearchConfig
from components.models import resolve
from components.models.loaders.whisper_loading import load_whisper
from components.recognition.backends.whisper.model import OpenAIWhisperBackend
from components.recognition.whisper.backend import DecodingRequest
from components.recognition.whisper.encoder import WhisperEncoder
from components.recognition.whisper.windows.features import compute_log_mel, cut_window
from components.recognition.whisper.windows.padding import MARGIN, SINKS, Padding, count_audio_positions
from tests.components.recognition.tiny import mels, tiny

FRAMES = (37, 501, 1204)


@pytest.fixture(scope="module")
def model() -> Whisper:
    return tiny()


@pytest.fixture(scope="module")
def encoder(model: Whisper) -> WhisperEncoder:
    return WhisperEncoder(model)


def short(frames: tuple[int, ...] = FRAMES) -> Tensor:
    """Windows of noise, padded with zeros after so many frames."""
    batch = mels(len(frames), 9)
    for row, n in zip(batch, frames, strict=True):
        row[:, n:] = 0
    return batch


@settings(max_examples=60)
@given(heard=st.integers(1, 1500), stride=st.integers(1, 6), seed=st.integers(0, 99))
def test_every_position_is_stood_for_once(heard: int, stride: int, seed: int) -> None:
    attention = torch.rand(1500, generator=torch.Generator().manual_seed(seed))
    padding = Padding(torch.zeros(1500, 4), torch.zeros(0), torch.zeros(0), attention)
    positions, counts = (part[0] for part in padding.summarize([heard], stride))
    assert counts.exp().sum().item() == pytest.approx(1500, rel=1e-5)
    assert (positions.diff() > 0).all()
    assert positions.max() < 1500
    dense = min(1500, heard + MARGIN)
    assert positions[:dense].tolist() == list(range(dense))
    sinks = dense + attention[dense:].argsort(descending=True)[:SINKS]
    assert (counts[torch.isin(positions, torch.cat([torch.arange(dense), sinks]))] == 0).all()
    if stride == 1:
        assert positions.tolist() == list(range(1500))
    else:
        assert len(positions) <= dense + SINKS + (1500 - dense) / stride + 1


@pytest.mark.parametrize(
    ("frames", "heard"), [(1, 2), (2, 2), (3, 3), (500, 251), (2999, 1500), (3000, 1500)]
)
def test_what_follows_the_heard_positions_is_padding(model: Whisper, frames: int, heard: int) -> None:
    mel = short((frames,))
    assert count_audio_positions(mel) == [heard]
    assert count_audio_positions(torch.zeros_like(mel)) == [1]
    conv1, conv2 = model.encoder.conv1, model.encoder.conv2
    with torch.no_grad():
        sound, empty = (conv2(functional.gelu(conv1(x)))[0].t() for x in (mel, torch.zeros_like(mel)))
    torch.testing.assert_close(sound[heard:], empty[heard:], rtol=0, atol=1e-6)
    assert not torch.allclose(sound[heard - 1], empty[heard - 1], atol=1e-3)


@torch.no_grad()
def test_stride_one_is_the_whole_window(encoder: WhisperEncoder) -> None:
    batch = short()
    states, counts = encoder.encode_with_summarized_padding(batch, 1)
    assert (counts == 0).all()
    torch.testing.assert_close(states, encoder(batch), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_counting_a_position_is_repeating_it(encoder: WhisperEncoder) -> None:
    """The oracle: a block over a sequence in which every position stands as often as it counts."""
    times = torch.randint(1, 5, (60,), generator=torch.Generator().manual_seed(2))
    x = torch.randn(1, 60, 32, generator=torch.Generator().manual_seed(3))
    repeated = torch.arange(60).repeat_interleave(times)
    for block in encoder.blocks:
        expected = block(x[:, repeated].clone())
        got = block(x.clone(), times.log()[None])
        torch.testing.assert_close(got[:, repeated], expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_the_first_block_attends_to_the_whole_window(encoder: WhisperEncoder) -> None:
    mel = short((501,))
    positions, _ = encoder.padding.summarize(count_audio_positions(mel), 4)
    x = encoder._apply_stem(mel)
    expected = encoder.blocks[0](x.clone())[:, positions[0]]
    got = encoder.blocks[0](x[:, positions[0]].clone(), beside=(encoder.padding, positions))
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("packed", [True, False])
@torch.no_grad()
def test_windows_do_not_depend_on_each_other(
    model: Whisper, packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Together they are filled up to one length; unpacked as on a GPU, all in one call."""
    if not packed:
        monkeypatch.setattr("components.compute.layers.packed_linear.can_pack", lambda *_: False)
    encoder, batch = WhisperEncoder(model), short()
    if packed:
        states, counts = encoder.encode_with_summarized_padding(batch, 4)
    else:
        states, counts = encoder._encode_summarized(batch, encoder.padding, 4)
    for i, frames in enumerate(FRAMES):
        alone, own = encoder.encode_with_summarized_padding(short()[[i]], 4)
        used = own.shape[1]
        assert frames // 2 + SINKS < used < 750 + frames // 2
        torch.testing.assert_close(states[i, :used], alone[0], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(counts[i, :used], own[0])
        assert (counts[i, used:] == -torch.inf).all()


@pytest.mark.parametrize("beam", [1, 3])
@pytest.mark.parametrize("padding", [{"padding_stride": 4}, {"window_frames": 100}])
@torch.no_grad()
def test_a_window_says_the_same_alone_and_among_others(
    model: Whisper, beam: int, padding: dict[str, int]
) -> None:
    backend = OpenAIWhisperBackend(model, **padding)
    config = SearchConfig(beam_size=beam, n_best=beam, max_new_tokens=6)
    prompts = torch.tensor([[50258, 50259, 50359]] * 3)
    sound = backend.encode(short())
    together = backend.decode(sound, DecodingRequest(prompts, config, True, [0, 1, 2]))
    again = backend.decode(sound[[2, 0]], DecodingRequest(prompts[:2], config, True, [2, 0]))
    assert [h.candidates[0].tokens for h in again] == [together[i].candidates[0].tokens for i in (2, 0)]
    for i in range(3):
        request = DecodingRequest(prompts[:1], config, True, [i])
        alone = backend.decode(backend.encode(short()[[i]]), request)[0]
        assert [c.tokens for c in alone.candidates] == [c.tokens for c in together[i].candidates]
        assert alone.no_speech == pytest.approx(together[i].no_speech, rel=1e-3)


@pytest.mark.models
@torch.inference_mode()
def test_speech_stays_what_it_is() -> None:
    """Whisper base on a caption of ours: the states of the speech are within 2% of the whole window's."""
    encoder = WhisperEncoder(load_whisper(resolve("packaged:whisper-base")))
    utterance = next(u for u in load("sample").utterances if u.audio)
    mel = cut_window(compute_log_mel(audio.decode(utterance.audio)), 0)[None]
    n_positions = count_audio_positions(mel)[0]
    whole, (few, _) = encoder(mel)[0, :n_positions], encoder.encode_with_summarized_padding(mel, 4)
    assert few.shape[1] < 700
    assert ((few[0, :n_positions] - whole).norm() / whole.norm()).item() < 0.02
    cut = encoder(mel[:, :, :1500])[0, :n_positions]
    assert ((cut - whole).norm() / whole.norm()).item() > 0.04


def test_what_is_found_of_padding_is_remembered(
    model: Whisper, encoder: WhisperEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit for bit, for the same weights in the same arithmetic; a damaged file is written anew."""
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path))
    expected = encoder.padding.attention
    assert torch.equal(WhisperEncoder(model, weights="w").padding.attention, expected)
    (file,) = (tmp_path / "padding").iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(WhisperEncoder, "_attention_received", lambda _: 1 / 0)
        assert torch.equal(WhisperEncoder(model, weights="w").padding.attention, expected)
        for weights, arithmetic in (("w", "bfloat16"), ("other", "float32"), ("", "float32")):
            with pytest.raises(ZeroDivisionError):
                _ = WhisperEncoder(model, arithmetic, weights).padding  # type: ignore[arg-type]
    file.write_bytes(file.read_bytes()[:-1])
    assert torch.equal(WhisperEncoder(model, weights="w").padding.attention, expected)
