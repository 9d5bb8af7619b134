"""``recognize``: what is part of a stage's key."""

from __future__ import annotations

from components.nodes.site import Site
from components.recognition.kinds.recognize import Recognize, RecognizeSettings


def test_a_setting_that_was_added_later_is_keyed_where_it_is_used() -> None:
    parameters = Recognize().parameters(RecognizeSettings(), Site("asr"))
    assert not {"word_times", "combination", "coefficients", "model", "device"} & parameters.keys()
    timed = Recognize().parameters(RecognizeSettings(word_times=True), Site("asr"))
    assert timed == parameters | {"word_times": True}
