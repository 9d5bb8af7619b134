"""Whisper over utterances that come and go, against the recognizer over a list of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.nodes.node_context import Item
from components.records import NBest, Utterance
from tests.components.recognition.whisper.scripted import scripted_recognizer, utterance
from tests.components.session_steps import take_steps

pytestmark = pytest.mark.core


def test_its_outcomes_are_those_of_the_recognizer_and_short_ones_overtake_a_long_one(tmp_path: Path) -> None:
    machine, backend = scripted_recognizer(batch_size=3, vad=False)
    long = utterance(tmp_path, "long", 200)
    short = [utterance(tmp_path, f"short{number}", 2) for number in range(4)]
    expected = machine.recognize([long, *short, Utterance(id="t", text="hi", source_language="en")])
    backend.batches.clear()
    session = machine.open_session()
    session.admit(0, Item(utterance=long))
    assert not session.step() and session.keys == {0}
    for key, each in enumerate(short, 1):
        session.admit(key, Item(utterance=each))
    session.admit(5, Item(utterance=Utterance(id="t", text="hi", source_language="en")))
    outcomes, ended, begun = take_steps(session, watched=0)
    assert [outcomes[key] for key in range(6)] == expected
    whole = outcomes[0]
    assert isinstance(whole, NBest)
    assert all(whole.best.text.startswith(text) for text in begun) and len(set(begun)) > 2
    assert ended[-1] == 0 and set(ended[:-1]) == {1, 2, 3, 4, 5}
    assert max(backend.batches) == 3 and backend.batches[1] == 3, (
        "the long one shares batches with the others"
    )


def test_what_nobody_waits_for_is_dropped(tmp_path: Path) -> None:
    machine, backend = scripted_recognizer(batch_size=3, vad=False)
    session = machine.open_session()
    session.admit(0, Item(utterance=utterance(tmp_path, "long", 200)))
    session.step()
    session.drop(0)
    assert not session.keys and not session.step()
    assert len(backend.batches) == 1
