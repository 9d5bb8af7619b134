from __future__ import annotations

from components.data.dataset import content_digest
from components.records import Audio, Quarantined, Utterance


def utterance(path="/a/x.wav", **changes):
    sound = Audio(path=path, sha256="0" * 64, seconds=1.0, sample_rate=16_000)
    return Utterance(**{"id": "u", "audio": sound, "source_language": "en", **changes})


def test_paths_are_no_part_of_the_digest():
    assert content_digest([utterance()], []) == content_digest([utterance("/b/y.wav")], [])


def test_everything_else_is():
    bad = Quarantined(utterance_id="v", stage="data", reason="r", detail="d")
    sets = [
        content_digest(items, faults)
        for items, faults in [
            ([utterance()], []),
            ([utterance(id="w")], []),
            ([utterance(source_language="de")], []),
            ([utterance(references=("x",))], []),
            ([utterance(), utterance(id="w")], []),
            ([utterance(id="w"), utterance()], []),
            ([utterance()], [bad]),
        ]
    ]
    assert len(set(sets)) == len(sets)
