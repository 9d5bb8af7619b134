"""Which model recognizes or translates X into Y: one table, the best of each task first.

``model: auto`` takes the first that this machine has for the languages of the data; ``antiphon models
suggest`` shows the rows. Packaged models were measured here: the numbers are BLEU, on 40 sentences of Tatoeba
(text) and on 12 human recordings in German, Spanish and French (speech into English: recognized by Whisper
base, then translated). They rank; they promise nothing of other texts. Models of the hub were not measured
here; they stand where their publishers' results put them.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from components.compute.machine import machine_memory, resolve_device_type
from components.models.packages.packaged_models import PACKAGED_MODELS
from components.models.references import split_reference
from components.models.sources import SOURCES
from components.text.languages import english_name, is_same_language, is_undetermined, two_letters_of

Task = Literal["recognize", "translate", "translate_speech"]
"""The kind of node that a model is for."""
CAPTIONS = "packaged:multi30k-en-de"
CAPTION_SETS = ("sample", "multi30k:")
"""Beginnings of the names of data sets whose texts are captions of photos, which that model knows."""
WHISPER = "packaged:whisper-base"
OPUS = "hub:Helsinki-NLP/opus-mt-{source}-{target}"
"""Models of one direction, from Tiedemann and Thottingal 2020, "OPUS-MT"."""
OPUS_LANGUAGES = frozenset(
    ("ar", "cs", "da", "de", "es", "fi", "fr", "hu", "id", "it", "nl", "ru", "sv", "uk", "vi", "zh")
)
"""Languages that have an OPUS-MT model from and into English."""
WHISPER_TURBO = "hub:openai/whisper-large-v3-turbo"
M2M = "hub:facebook/m2m100_1.2B"
UNMEASURED = "not measured here"


class Recommendation(NamedTuple):
    """A model and what it is good for.

    Attributes:
        task: what it does.
        model: reference; of :data:`OPUS` with the languages in their places.
        good_for: one line for people.
        measured: its quality where it was measured, one line.
        is_general: whether it is taken for any text of its languages when nothing else is asked for.
        needs_card: whether it is too slow for a processor.
    """

    task: Task
    model: str
    good_for: str
    measured: str = UNMEASURED
    is_general: bool = True
    needs_card: bool = False

    def translates(self, source: str, target: str | None) -> bool:
        """Return whether it reads one language and writes the other; a recognizer writes what it hears.

        Args:
            source: code of the language; one that is not known can be any of its own.
            target: the same; None for any of its own.
        """
        if self.task == "recognize":
            return True  # Whisper hears 99 languages
        if self.task == "translate_speech":
            return target is None or is_same_language(target, "en")
        if self.model == OPUS:
            return _is_opus_pair(two_letters_of(source), None if target is None else two_letters_of(target))
        if self.model == M2M:
            return not is_undetermined(source)
        return any(
            (is_undetermined(source) or out_of == two_letters_of(source))
            and (target is None or into == two_letters_of(target))
            for out_of, into in PACKAGED_MODELS[self.model.removeprefix("packaged:")].translates
        )

    @property
    def direction(self) -> str:
        """Its languages, for people."""
        if self.task == "recognize":
            return "speech of 99 languages"
        if self.task == "translate_speech":
            return "speech into en"
        if self.model == OPUS:
            return f"en from and into {', '.join(sorted(OPUS_LANGUAGES))}"
        if self.model == M2M:
            return "100 languages, any to any"
        return PACKAGED_MODELS[self.model.removeprefix("packaged:")].languages

    def names(self, reference: str) -> bool:
        """Return whether it is the row of a model's reference."""
        return reference.startswith(self.model.partition("{")[0])

    def reference(self, source: str, target: str | None) -> str:
        """Return the model's reference for two languages."""
        return self.model.format(source=two_letters_of(source), target=two_letters_of(target or ""))


ROWS = (
    Recommendation(
        "recognize",
        WHISPER_TURBO,
        "the best of Whisper's for its speed; 809M parameters, MIT",
        needs_card=True,
    ),
    Recommendation("recognize", WHISPER, "fast on a processor", "WER 6.4 on English human recordings"),
    Recommendation(
        "translate_speech",
        WHISPER,
        "speech straight into English, fast; no other language",
        "22.2 on speech; recognizing and qwen2.5-coder-1.5b: 44.7",
    ),
    Recommendation("translate", OPUS, "general text, fast; one model a direction, CC-BY 4.0"),
    Recommendation("translate", M2M, "general text; 1.2B parameters, MIT", needs_card=True),
    Recommendation(
        "translate",
        "packaged:qwen2.5-coder-1.5b",
        "general text, roughly and slowly (3 to 5 tokens a second): a language model shown examples",
        "es-en 57.1, de-en 39.1, en-de 27.0",
    ),
    Recommendation(
        "translate",
        "packaged:qwen2.5-coder-0.5b",
        "general text, very roughly: a third of the size of qwen2.5-coder-1.5b",
        "es-en 35.0, de-en 22.5",
    ),
    Recommendation(
        "translate",
        "packaged:gemma-3-270m",
        "general text of further languages, very roughly; asks for consent to its licence",
        "es-en 44.7, de-en 24.5, en-de 15.6",
    ),
    Recommendation(
        "translate",
        CAPTIONS,
        "captions of photos alone: nonsense on other texts; fast",
        "39.2 on such captions (Multi30k)",
        is_general=False,
    ),
)
"""Every recommendation, the best of its task first."""


def recommend(
    task: Task, source: str, target: str | None, *, captions: bool = False
) -> Recommendation | None:
    """Return the first model that this machine can run for a task and two languages; None where it has none.

    Args:
        task: what there is to do.
        source: language code, ``und`` if it is not known.
        target: language code; None for a recognizer.
        captions: whether the texts are captions of photos: then the models of these come first.
    """
    rows = sorted(ROWS, key=lambda row: row.is_general) if captions else [r for r in ROWS if r.is_general]
    fitting = (row for row in rows if row.task == task and row.translates(source, target))
    return next((row for row in fitting if is_available(row, source, target)), None)


def is_available(row: Recommendation, source: str, target: str | None) -> bool:
    """Return whether this machine can run a model: it is here, or its origin answers, and memory holds it."""
    if row.needs_card and resolve_device_type() == "cpu":
        return False
    packaged = PACKAGED_MODELS.get(row.model.removeprefix("packaged:"))
    if packaged is not None and packaged.memory > machine_memory():
        return False
    if row.model == OPUS and (is_undetermined(source) or target is None):
        return False  # one model for each direction
    return has_model(row.reference(source, target))


def has_model(reference: str) -> bool:
    """Return whether a model is on this machine, or at an origin that answers."""
    scheme, name = split_reference(reference)
    return scheme not in SOURCES or SOURCES[scheme].has(name)


def _is_opus_pair(source: str, target: str | None) -> bool:
    if is_undetermined(source):
        return target in (None, "en")
    if source == "en":
        return target is None or target in OPUS_LANGUAGES
    return source in OPUS_LANGUAGES and target in (None, "en")


def explain_missing(source: str, target: str) -> str:
    """Return what to do where no model of the table translates between two languages, in one line."""
    direction = f"from {english_name(source)} " if not is_undetermined(source) else ""
    pair = f"{two_letters_of(source) if direction else 'XX'}-{two_letters_of(target)}"
    return (
        f"expected a model that translates {direction}into {english_name(target)}, found none among those "
        "that this machine can run (antiphon models suggest); name one: "
        f"--model hub:Helsinki-NLP/opus-mt-{pair}, or another"
    )


def explain_captions(source: str, target: str) -> str:
    """Return what to do where the model of captions is the only one, in one line."""
    codes = two_letters_of(source), two_letters_of(target)
    return (
        f"expected a model for general texts from {english_name(source)} into {english_name(target)}, found "
        f"only {CAPTIONS}, which knows captions of photos and writes nonsense on other texts. What helps: "
        f"`antiphon models fetch hub:Helsinki-NLP/opus-mt-{'-'.join(codes)}` where the hub is reached, or "
        "`antiphon models fetch qwen2.5-coder-0.5b` and to name it as the model; --anyway goes on without"
    )
