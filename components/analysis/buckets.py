"""Groups of utterances that systems may handle differently: length, language, speaker, rare words, WER."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from components.records import Utterance
from components.text.languages import without_spaces
from components.text.normalization.text_normalization import get_normalizer

_LENGTHS = (7, 12, 20)


@dataclass(frozen=True)
class UtteranceGroup:
    """Utterances that share a property: ``by`` names the property, ``label`` its value."""

    by: str
    label: str
    ids: tuple[str, ...]


class Properties(NamedTuple):
    """What groups an utterance with others, whatever else there is in its data set.

    Attributes:
        language: source and target.
        domain: as the data set has it.
        speaker: as the data set has it.
        length: label of how many words it has.
    """

    language: tuple[str, str | None]
    domain: str | None
    speaker: str | None
    length: str


def properties_of(utterance: Utterance) -> Properties:
    """Return the properties of an utterance."""
    return Properties(**{name: value_of(utterance) for name, value_of in _PROPERTIES.items()})


def label_property(by: str, value: Sequence[str | None] | str | None) -> str:
    """Return how a value of a property is written in tables."""
    if by == "language":
        source, target = value or ("", None)
        return f"{source} to {target or 'any'}"
    return str(value or "none stated")


def group_utterances(
    utterances: Sequence[Utterance], error_rates: Mapping[str, float] | None = None
) -> tuple[UtteranceGroup, ...]:
    """Group utterances by each property that divides the data set, in the order of their labels.

    ``error_rates`` gives the WER (percent) of a transcript by utterance id. Every utterance is in exactly
    one group of each property that is given here; a property with one value for all is left out.
    """
    rates = error_rates or {}
    counts = Counter(word for utterance in utterances for word in set(_words(utterance)))
    labels: dict[str, Callable[[Utterance], str]] = {
        **{by: partial(_label_of, by) for by in ("length", "language", "domain", "speaker")},
        "words seen once": lambda utterance: ("none", "one", "two and more")[
            min(2, sum(counts[word] == 1 for word in set(_words(utterance))))
        ],
        "transcript WER": lambda utterance: _error_rate_label(rates.get(utterance.id)),
    }
    groups = []
    for by, label in labels.items():
        members: dict[str, list[str]] = {}
        for utterance in utterances:
            members.setdefault(label(utterance), []).append(utterance.id)
        if len(members) > 1:
            groups += [
                UtteranceGroup(by, name, tuple(members[name])) for name in sorted(members, key=label_order)
            ]
    return tuple(groups)


def _label_of(by: str, utterance: Utterance) -> str:
    return label_property(by, _PROPERTIES[by](utterance))


_PROPERTIES: dict[str, Callable[[Utterance], Any]] = {
    "language": lambda utterance: (utterance.source_language, utterance.target_language),
    "domain": lambda utterance: utterance.domain or None,
    "speaker": lambda utterance: utterance.speaker or None,
    "length": lambda utterance: _length_label(len(_words(utterance))),
}

_RATES = (0.0, 10.0, 30.0)
_LABELS = (
    *("1 to 7 words", "8 to 12 words", "13 to 20 words", "21 words and more"),
    *("none", "one", "two and more"),
    *("0%", "up to 10%", "up to 30%", "over 30%", "no transcript"),
)


def label_order(label: str) -> tuple[int, str]:
    """Return what groups of a property are sorted by."""
    return (_LABELS.index(label) if label in _LABELS else len(_LABELS), label)


def _length_label(words: int) -> str:
    step = next((i for i, most in enumerate(_LENGTHS) if words <= most), len(_LENGTHS))
    low = 1 if step == 0 else _LENGTHS[step - 1] + 1
    return f"{low} words and more" if step == len(_LENGTHS) else f"{low} to {_LENGTHS[step]} words"


def _error_rate_label(rate: float | None) -> str:
    if rate is None:
        return "no transcript"
    step = next((i for i, edge in enumerate(_RATES) if rate <= edge), len(_RATES))
    return ("0%", "up to 10%", "up to 30%", "over 30%")[step]


def _words(utterance: Utterance) -> list[str]:
    """Return words of the source as written or as it was said, else of the first reference."""
    text = utterance.text or utterance.transcript or next(iter(utterance.references), "")
    if without_spaces(utterance.source_language):
        return list(get_normalizer("basic-no-spaces")(text))
    return get_normalizer("basic")(text).split()
