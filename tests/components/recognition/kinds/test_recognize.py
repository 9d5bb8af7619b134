"""``recognize``: what is part of a stage's key."""

from __future__ import annotations

from components.nodes.node_context import NodeContext
from components.recognition.kinds.recognize import Recognize, RecognizeSettings


def test_a_setting_that_was_added_later_is_keyed_where_it_is_used() -> None:
    parameters = Recognize().parameters(RecognizeSettings(), NodeContext("asr"))
    assert not {"word_times", "combination", "coefficients", "model", "device"} & parameters.keys()
    timed = Recognize().parameters(RecognizeSettings(word_times=True), NodeContext("asr"))
    assert timed == parameters | {"word_times": True}
