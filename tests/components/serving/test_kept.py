"""Kept requests: whole or not at all, read as a data set, removed in time; what a shadow gave, compared."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from components.data import load
from components.errors import ConfigError, DataError
from components.nodes.node_context import Item
from components.records import Audio, Utterance
from components.serving.keeping import Keeper
from components.serving.kept_data import MANIFEST, KeptRequests
from components.serving.measures import Measures
from components.serving.requests import GraphRequest
from components.serving.settings import ServeSettings
from components.serving.shadow import Shadow, _Waiting
from components.serving.shadow_comparison import compare_shadow
from components.storage.places.location import find_in_store
from tests.components.serving.graphs import hear, make_graph
from tests.components.serving.test_endpoints import wave


def answered(folder: Path, number: int) -> GraphRequest:
    """A request that was answered, and whose upload is there."""
    path = folder / f"upload-{number}"
    path.write_bytes(wave(1))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    audio = Audio(path=str(path), sha256=digest, seconds=1.0, sample_rate=16_000)
    utterance = Utterance(id=f"request-{number}", audio=audio, source_language="en", target_language="de")
    request = GraphRequest(make_graph(), utterance, "transcript", lambda _: None)
    request.take("fast", hear(Item(utterance=utterance)), 0.1)
    request.take("asr", hear(Item(utterance=utterance)), 0.1)
    return request


def keep(folder: Path, count: int, **settings: object) -> KeptRequests:
    """Requests that a keeper has written."""
    kept = KeptRequests(folder / "store", "talks")
    keeper = Keeper(kept, ServeSettings.model_validate(settings), make_graph(), Measures())
    for number in range(count):
        request = answered(folder, number)
        keeper.take(request)
        Path(request.utterance.audio.path).unlink()  # its client has the answer
    keeper.close()
    return kept


def test_they_are_a_data_set_and_what_a_kill_left_of_a_line_is_none(tmp_path: Path) -> None:
    kept = keep(tmp_path, 3, keep="1")
    (manifest,) = kept.folder.glob(f"*/{MANIFEST}")
    with manifest.open("ab") as file:
        file.write(b'{"id": "request-9", "text": "half')
    source = find_in_store("store:kept/talks", str(tmp_path / "store"))
    data = load(str(source))
    assert [utterance.id for utterance in data.utterances] == ["request-0", "request-1", "request-2"]
    assert not data.quarantined and not data.notes and data.utterances[0].audio is not None
    row = json.loads(manifest.read_text(encoding="utf-8").splitlines()[0])
    assert row["served"]["nodes"]["asr"]["text"] == "heard 1.00" and row["served"]["output"] == "transcript"
    assert (row["duration"], row["sha256"]) == (1.0, hashlib.sha256(wave(1)).hexdigest())
    assert manifest.parent.stat().st_mode & 0o777 == 0o700
    kept.add({"id": "request-4", "text": "half a character: \ud83d", "source_language": "en"}, None)
    assert load(str(source)).utterances[-1].text == "half a character: ?"
    size = manifest.stat().st_size
    written = kept.add({"id": "request-5", "text": "bytes of texts count, too"}, None)
    assert written == manifest.stat().st_size - size
    assert len(list(tmp_path.glob("*.kept"))) == 0


def test_a_share_or_a_way_and_days_and_bytes(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"doubt\.escalate"):
        keep(tmp_path, 0, keep="doubt.good")
    assert not list(keep(tmp_path, 2, keep="doubt.escalate").folder.glob("*"))
    kept = keep(tmp_path, 2, keep="1")
    old, foreign = kept.folder / "2020-01-01T00", kept.folder / ".snapshots"
    foreign.mkdir()
    for days, size in ((10_000, 10), (1, 10**9)):
        old.mkdir()
        (old / MANIFEST).write_text("{}\n", encoding="utf-8")
        assert kept.remove_old(10_000, 10**9) > 64_000
        assert old.is_dir()
        kept.remove_old(days, size)
        assert not old.exists() and len(list(kept.folder.iterdir())) == 2, "the present hour stays"


def test_what_is_old_goes_though_nothing_is_kept_and_a_full_hour_takes_no_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "store/kept/talks/2020-01-01T00").mkdir(parents=True)
    assert not list(keep(tmp_path, 2).folder.iterdir())  # a shadow's texts, say
    keep(tmp_path, 40, keep="1", keep_megabytes=1)
    assert "raise --keep-megabytes" in caplog.text
    (manifest,) = tmp_path.glob(f"store/kept/talks/*/{MANIFEST}")
    assert 30 < len(manifest.read_text(encoding="utf-8").splitlines()) < 36  # 32 kB each


def test_a_shadow_asks_for_no_token_and_one_that_ends_leaves_no_uploads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTIPHON_SERVE_TOKEN", "secret")
    command = ["sh", "-c", 'printf "%s" "${ANTIPHON_SERVE_TOKEN-none}" > "$1.token"']
    measures = Measures()
    shadow = Shadow(command, tmp_path, KeptRequests(tmp_path, "talks"), measures, bool)
    for number in range(3):
        shadow.take(answered(tmp_path, number))
    until = time.monotonic() + 10
    while b'outcome="left out"} 3.0' not in measures.render() and time.monotonic() < until:
        time.sleep(0.05)
    assert not list(tmp_path.glob("upload-*.shadow"))
    shadow.close()
    assert (tmp_path / "shadow.socket.token").read_text(encoding="utf-8") == "none"


def test_a_shadow_is_asked_for_the_output_that_the_client_asked_for(tmp_path: Path) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert b"shadow/transcript" in request.read()
        message = {"message": {"content": "heard"}}
        return httpx.Response(200, json={"text": "heard", "choices": [message]})

    shadow = Shadow(["false"], tmp_path, KeptRequests(tmp_path, "talks"), Measures(), bool)
    shadow._client = httpx.Client(transport=httpx.MockTransport(answer), base_url="http://localhost")
    request = answered(tmp_path, 1)
    for recording in (Path(str(request.utterance.audio.path)), None):
        assert shadow._ask(_Waiting(request, recording))["second"]["text"] == "heard"
        request.utterance = Utterance(id="text", text="A cat.", source_language="en")
    shadow.close()


@pytest.mark.parametrize("name", ["store:../x", "store:/etc/passwd"])
def test_a_name_does_not_leave_the_store(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="inside the store"):
        find_in_store(name, str(tmp_path))
    with pytest.raises(ValidationError, match="name"):
        ServeSettings(name="..")


def test_a_shadow_is_compared_by_agreement_and_by_corrected_texts(tmp_path: Path) -> None:
    kept = KeptRequests(tmp_path, "talks")
    with pytest.raises(DataError, match="--shadow"):
        compare_shadow(kept.read_shadow(), {})
    texts = [f"the cat number {number} sleeps on the mat" for number in range(60)]
    for number, right in enumerate(texts):
        first = {"graph": "a" * 64, "text": right.replace("cat", "hat"), "seconds": 0.5}
        second = {"graph": "b" * 64, "text": right, "seconds": 1.0}
        values = {
            "id": f"r{number}",
            "output": "transcript",
            "language": "en",
            "first": first,
            "second": second,
        }
        kept.add_shadow(values)
    corrected = {"transcript": {f"r{number}": right for number, right in enumerate(texts)}}
    with pytest.raises(DataError, match="expected corrected texts of requests"):
        compare_shadow(kept.read_shadow(), {"transcript": {"another": "text"}})
    agreement, better = compare_shadow(kept.read_shadow(), corrected)
    assert agreement.rows[0] == {
        "output": "transcript",
        "requests": "60",
        "the same text": "0.0%",
        "WER": "12.50",
        "CER": agreement.rows[0]["CER"],
        "median s": "0.50",
        "of the shadow": "1.00",
    }
    wer = better.rows[0]
    assert (wer["first"], wer["shadow"], wer["the shadow is"], wer["of"]) == ("12.50", "0.00", "better", "60")
