"""Transcripts of recordings from those of their segments: by file and offset, in order."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import DataError
from components.nodes.join_segments import JoinSegments, JoinSegmentsSettings
from components.nodes.node_context import NodeContext
from components.records import Utterance
from components.storage.store import Store
from tests.components.nodes.items import SOUND, nbest, texts_of
from tests.components.storage.written import written


def spoken(
    key: str, offset: float, seconds: float, sha256: str = "0" * 64, language: str = "en"
) -> Utterance:
    update = {"offset": offset, "seconds": seconds, "sha256": sha256}
    return Utterance(id=key, audio=SOUND.model_copy(update=update), source_language=language)


def join(folder: Path, data: list[Utterance], segments: dict[str, tuple[Utterance, str]]) -> list[str]:
    store = Store(str(folder))
    transcripts = [nbest(utterance.id, f"heard {utterance.id}") for utterance in data]
    read = {
        "of0": written(store, "asr", transcripts),
        "of1": written(store, "data", data),
        "of2": written(store, "segments", [utterance for utterance, _ in segments.values()]),
        "of3": written(store, "asr-segments", [nbest(key, text) for key, (_, text) in segments.items()]),
    }
    product = JoinSegments().make(JoinSegmentsSettings(), NodeContext("joined"), read, folder)
    return texts_of(product.records or [])


def test_segments_are_joined_in_the_order_of_the_recording(tmp_path: Path) -> None:
    """What was only written, and a recording without segments, keep their texts."""
    text = Utterance(id="written", text="as it is", source_language="en")
    data = [
        spoken("a", 0, 10),
        text,
        spoken("b", 10, 10),
        spoken("other", 0, 10, sha256="1" * 64),
        spoken("zh", 0, 10, sha256="2" * 64, language="zh"),
    ]
    pieces = {
        "s3": (spoken("s3", 12, 2), "in b"),
        "s2": (spoken("s2", 4, 2), "second"),
        "s1": (spoken("s1", 1, 2), "first"),
        "z1": (spoken("z1", 1, 2, sha256="2" * 64), "你"),
        "z2": (spoken("z2", 3, 2, sha256="2" * 64), "好"),
    }
    assert join(tmp_path, data, pieces) == ["first second", "heard written", "in b", "heard other", "你好"]


def test_segments_of_other_recordings_are_refused(tmp_path: Path) -> None:
    segments = {"s": (spoken("s", 1, 2, sha256="1" * 64), "first")}
    with pytest.raises(
        DataError, match="expected stretches of the data's recordings, found none of the same"
    ):
        join(tmp_path, [spoken("a", 0, 10)], segments)
