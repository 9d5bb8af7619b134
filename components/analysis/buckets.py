"""Groups of utterances that systems may handle differently: length, language, speaker, rare words, WER."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from components.records import Utterance
from components.text.languages import without_spaces
from components.text.normalization.text_normalization import get_normalizer


@dataclass(frozen=True)
class UtteranceGroup:
    """Utterances that share a property: ``by`` names the property, ``label`` its value."""

    by: str
    label: str
    ids: tuple[str, ...]


def group_utterances(
    utterances: Sequence[Utterance], error_rates: Mapping[str, float] | None = None
) -> tuple[UtteranceGroup, ...]:
    """Groups by each property that divides the data set, in the order in which their labels are listed.

    ``error_rates`` gives the WER (percent) of a transcript by utterance id. Every utterance is in exactly
    one group of each property that is given here; a property with one value for all is left out.
    """
    rates = error_rates or {}
    counts = Counter(word for utterance in utterances for word in set(_words(utterance)))
    labels: dict[str, Callable[[Utterance], str]] = {
        "length": lambda utterance: _length_label(len(_words(utterance)), _LENGTHS, "words"),
        "language": lambda utterance: f"{utterance.source_language} to {utterance.target_language or 'any'}",
        "domain": lambda utterance: utterance.domain or "none stated",
        "speaker": lambda utterance: utterance.speaker or "none stated",
        "words seen once": lambda utterance: _rarity_label(
            sum(counts[w] == 1 for w in set(_words(utterance)))
        ),
        "transcript WER": lambda utterance: _error_rate_label(rates.get(utterance.id)),
    }
    groups = []
    for by, label in labels.items():
        members: dict[str, list[str]] = {}
        for utterance in utterances:
            members.setdefault(label(utterance), []).append(utterance.id)
        if len(members) > 1:
            groups += [
                UtteranceGroup(by, name, tuple(members[name])) for name in sorted(members, key=_label_order)
            ]
    return tuple(groups)


_LENGTHS = (7, 12, 20)
_RATES = (0.0, 10.0, 30.0)
_LABELS = (
    *("1 to 7 words", "8 to 12 words", "13 to 20 words", "21 words and more"),
    *("none", "one", "two and more"),
    *("0%", "up to 10%", "up to 30%", "over 30%", "no transcript"),
)


def _label_order(label: str) -> tuple[int, str]:
    return (_LABELS.index(label) if label in _LABELS else len(_LABELS), label)


def _length_label(value: float, edges: Sequence[float], unit: str) -> str:
    step = next((i for i, edge in enumerate(edges) if value <= edge), len(edges))
    low = 1 if step == 0 else int(edges[step - 1]) + 1
    return f"{low} {unit} and more" if step == len(edges) else f"{low} to {int(edges[step])} {unit}"


def _rarity_label(number: int) -> str:
    return ("none", "one", "two and more")[min(number, 2)]


def _error_rate_label(rate: float | None) -> str:
    if rate is None:
        return "no transcript"
    step = next((i for i, edge in enumerate(_RATES) if rate <= edge), len(_RATES))
    return ("0%", "up to 10%", "up to 30%", "over 30%")[step]


def _words(utterance: Utterance) -> list[str]:
    """Words of the source as written or as it was said, else of the first reference."""
    text = utterance.text or utterance.transcript or next(iter(utterance.references), "")
    if without_spaces(utterance.source_language):
        return list(get_normalizer("basic-no-spaces")(text))
    return get_normalizer("basic")(text).split()
