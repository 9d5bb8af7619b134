"""The models that a design may use, small to large: those that are named, or those that this machine has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from components.design.goal import ModelChoice
from components.errors import ConfigError
from components.models.architecture_lookup import find_architecture
from components.models.licenses import license_notes
from components.models.packages.packaged_models import PACKAGED_MODELS, settings_of
from components.models.references import split_reference
from components.pipeline.advice.recommended_models import ROWS, is_available
from components.recognition.backends import BACKENDS as RECOGNIZERS
from components.text.languages import is_same_language

TASKS = ("recognize", "translate", "translate_speech")


def list_models(
    named: Sequence[str], source: str, target: str | None, store: str | None
) -> list[ModelChoice]:
    """Return the models of a design.

    Args:
        named: references, small to large; ``TASK=REFERENCE`` where its configuration does not say what it
            does. Empty: those of the table of models that this machine has for the languages.
        source: language of the data, ``und`` where it is not known.
        target: language to be written; None: transcripts are.
        store: URL of the store, for ``store:`` references.

    Raises:
        ConfigError: there is none.
    """
    if not named:
        found = [
            choice
            for row in ROWS
            if row.translates(source, target if row.task != "recognize" else None)
            and is_available(row, source, target)
            and (choice := describe_model(row.reference(source, target), row.task))
        ]
        found += _small_recognizers(source)
        choices = sorted(dict.fromkeys(found), key=lambda choice: choice.size or 0)
    else:
        choices = [describe_model(*_read_named(name, store)) for name in named]
    if target is None:
        known, choices = choices, [choice for choice in choices if choice.task == "recognize"]
        if known and not choices:
            names = ", ".join(each.reference for each in known)
            raise ConfigError(f"models: expected recognizers, as no target_language is set, found {names}")
    elif is_same_language(target, "en"):
        choices += [describe_model(c.reference, "translate_speech") for c in choices if _is_multilingual(c)]
    if not choices:
        raise ConfigError("models: expected at least one that fits the data, found none; name some")
    return list({(c.reference, c.task): c for c in choices}.values())


def _small_recognizers(source: str) -> list[ModelChoice]:
    if not is_same_language(source, "en"):
        return []
    return [describe_model("packaged:whisper-tiny.en", "recognize")]


def _is_multilingual(choice: ModelChoice) -> bool:
    name = choice.reference
    return choice.task == "recognize" and "whisper" in name and not name.endswith(".en")


def _read_named(name: str, store: str | None) -> tuple[str, str]:
    """Return reference and task of a named model."""
    task, stated, reference = name.partition("=")
    if stated and task in TASKS:
        return absolute(reference), task
    packaged = PACKAGED_MODELS.get(name.removeprefix("packaged:"))
    if packaged is not None:
        return name, "translate" if packaged.translates else "recognize"
    scheme, _ = split_reference(name)
    architecture = find_architecture(name, store).lower()
    hears = any(
        scheme in row.schemes or (architecture and architecture.startswith(row.architectures))
        for row in RECOGNIZERS.values()
        if row.architectures or row.schemes
    )
    return absolute(name), "recognize" if hears else "translate"


def absolute(name: str) -> str:
    """Return the absolute path of a file or folder, because systems are written elsewhere; else the name."""
    return str(Path(name).resolve()) if Path(name).exists() else name


def describe_model(reference: str, task: str = "") -> ModelChoice:
    """Return what is known of a model without loading it: size, licence, and the settings of its node."""
    packaged = PACKAGED_MODELS.get(reference.removeprefix("packaged:"))
    licence = packaged.license if packaged is not None else "; ".join(license_notes([reference]))
    return ModelChoice(
        reference,
        task,
        None if packaged is None else packaged.size,
        licence,
        tuple(settings_of(reference).items()) if task == "translate" else (),
    )
