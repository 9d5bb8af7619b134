"""Every kind of node: a new one adds its file and its row here."""

from __future__ import annotations

from typing import Any

from components.nodes.data import Data
from components.nodes.encode_speech import EncodeSpeech
from components.nodes.kind import Kind
from components.nodes.recognize import Recognize
from components.nodes.stack import Stack
from components.nodes.synthesize import Synthesize
from components.nodes.train_pre_translation import TrainPreTranslation
from components.nodes.train_stack import TrainStack
from components.nodes.translate import Translate
from components.nodes.translate_speech import TranslateSpeech
from components.nodes.tune_stack import TuneStack

KINDS: dict[str, Kind[Any]] = {
    kind.name: kind
    for kind in (
        Data(),
        EncodeSpeech(),
        Recognize(),
        Stack(),
        Synthesize(),
        TrainPreTranslation(),
        TrainStack(),
        Translate(),
        TranslateSpeech(),
        TuneStack(),
    )
}
"""By the name that ``kind:`` takes in a file."""
