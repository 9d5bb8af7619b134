"""What packaged models give on the samples; nothing but the core and their backends is imported."""

from __future__ import annotations

import torch

from components.data import load
from components.recognition import factory as recognition
from components.recognition.config import RecognitionConfig
from components.records import NBest, Outcome, Utterance
from components.translation import factory as translation
from components.translation.config import TranslationConfig

Scored = list[tuple[str, float]]
"""Texts with their scores."""
MODEL = "packaged:multi30k-en-de"


def recognize_and_translate() -> dict[str, Scored]:
    """Texts of one thread."""
    torch.set_num_threads(1)
    spoken, written = spoken_and_written()
    recognizer = recognition.build(RecognitionConfig(model="packaged:whisper-tiny.en"))
    translator = translation.build(TranslationConfig(model=MODEL))
    return {
        "recognition": scored(recognizer.recognize(spoken)),
        "translation": scored(translator.translate(written)),
    }


def spoken_and_written() -> tuple[list[Utterance], list[Utterance]]:
    """Two utterances of the samples, and their transcripts."""
    spoken = list(load("sample", limit=2).utterances)
    return spoken, [each.model_copy(update={"text": each.transcript}) for each in spoken]


def scored(outcomes: list[Outcome]) -> Scored:
    """The best text of each utterance."""
    return [(each.best.text, each.best.score) for each in outcomes if isinstance(each, NBest)]
