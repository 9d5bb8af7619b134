"""Which packaged model translates X into Y: one table, the best first, with what each is good for.

The numbers are BLEU, measured on 40 sentences of Tatoeba (text) and on 12 human recordings in German, Spanish
and French (speech into English: recognized by Whisper base, then translated). They rank; they promise nothing
of other texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from components.languages import base_of, english_name, is_undetermined
from components.models.packaged_models import PACKAGED_MODELS

WHISPER = "packaged:whisper-base"


class Recommendation(NamedTuple):
    """A model and what it is good for.

    Attributes:
        reads: what it translates.
        model: reference.
        good_for: one line for people.
        measured: its quality where it was measured, one line.
        is_general: whether it is taken for any text of its languages when nothing else is asked for.
        settings: of the node that translates with it.
    """

    reads: Literal["speech", "text"]
    model: str
    good_for: str
    measured: str
    is_general: bool = True
    settings: Mapping[str, Any] = MappingProxyType({})

    def translates(self, source: str, target: str | None) -> bool:
        """Whether it translates between two languages.

        Args:
            source: code of the language; one that is not known can be any of its own.
            target: the same; None for any of its own.
        """
        if self.reads == "speech":  # Whisper hears 99 languages and writes one
            return target is None or base_of(target) == "en"
        return any(
            (is_undetermined(source) or out_of == base_of(source))
            and (target is None or into == base_of(target))
            for out_of, into in PACKAGED_MODELS[self.model.removeprefix("packaged:")].translates
        )

    @property
    def direction(self) -> str:
        """Its languages, for people."""
        if self.reads == "speech":
            return "speech into en"
        return PACKAGED_MODELS[self.model.removeprefix("packaged:")].languages


LANGUAGE_MODEL = MappingProxyType({"beam_size": 1, "n_best": 1, "dtype": "bfloat16"})
"""They are slow and large: greedy search, and half the memory (their weights are bfloat16 anyway)."""
ROWS = (
    Recommendation(
        "speech",
        WHISPER,
        "speech straight into English, fast; no other language",
        "22.2 on speech; recognizing and qwen2.5-coder-1.5b: 44.7",
    ),
    Recommendation(
        "text",
        "packaged:qwen2.5-coder-1.5b",
        "general text, roughly and slowly (3 to 5 tokens a second): a language model shown examples",
        "es-en 57.1, de-en 39.1, en-de 27.0",
        settings=LANGUAGE_MODEL,
    ),
    Recommendation(
        "text",
        "packaged:qwen2.5-coder-0.5b",
        "the same, a third of the size, and worse",
        "es-en 35.0, de-en 22.5",
        is_general=False,
        settings=LANGUAGE_MODEL,
    ),
    Recommendation(
        "text",
        "packaged:gemma-3-270m",
        "further languages; asks for consent to its licence",
        "es-en 44.7, de-en 24.5, en-de 15.6",
        settings=LANGUAGE_MODEL,
    ),
    Recommendation(
        "text",
        "packaged:multi30k-en-de",
        "captions of photos alone: nonsense on other texts; fast",
        "39.2 on such captions (Multi30k)",
        is_general=False,
    ),
)
"""Every recommendation, the best of its sort first."""


def recommend(reads: Literal["speech", "text"], source: str, target: str) -> Recommendation | None:
    """The model for general texts (or straight for speech) of a direction; None where no packaged one is.

    Args:
        reads: what there is to translate.
        source: language code, ``und`` if it is not known.
        target: language code.
    """
    fitting = (
        row for row in ROWS if row.reads == reads and row.is_general and row.translates(source, target)
    )
    return next(fitting, None)


def explain_missing(source: str, target: str) -> str:
    """What to do where no packaged model translates between two languages, in one line."""
    direction = f"from {english_name(source)} " if not is_undetermined(source) else ""
    pair = f"{base_of(source)}-{base_of(target)}" if direction else f"XX-{base_of(target)}"
    return (
        f"expected a model that translates {direction}into {english_name(target)}, found none among the "
        f"packaged ones (antiphon models translators); name one: --model hub:Helsinki-NLP/opus-mt-{pair}, or "
        "another"
    )
