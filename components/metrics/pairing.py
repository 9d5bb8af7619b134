"""References and outputs joined by utterance id, checked, in the order of the data set.

sacreBLEU scores three hypotheses against one reference as 100 without a word, and jiwer accepts an empty
reference silently: so nothing reaches a scorer except through here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from components.errors import DataError
from components.text.table_cells import nfc

Value = TypeVar("Value")


@dataclass(frozen=True)
class ScoredPairs(Generic[Value]):
    """Utterances that have a reference and a hypothesis, in the order of the references.

    ``n_total`` counts the data set; those without a reference or without an output (quarantined ones)
    are what is missing from ``ids``.
    """

    ids: tuple[str, ...]
    references: tuple[Value, ...]
    hypotheses: tuple[str, ...]
    n_total: int


def align_by_id(
    references: Mapping[str, Value], hypotheses: Mapping[str, str], n_total: int
) -> ScoredPairs[Value]:
    """Join by id, NFC first; resamples are drawn by place, so the order stays that of the references' data.

    Raises :class:`DataError` when the two cannot come from the same data set of ``n_total`` utterances:
    no id in common, more ids than utterances, two ids equal after NFC, or a hypothesis that is no text.
    """
    refs, hyps = normalize_ids(references, "references"), normalize_ids(hypotheses, "hypotheses")
    for key, text in hyps.items():
        if not isinstance(text, str):
            raise DataError(
                f"expected the hypothesis of {key!r} to be one text, found {type(text).__name__}; "
                "are references and hypotheses the wrong way round?"
            )
    ids = refs.keys() | hyps.keys()
    if len(ids) > n_total:
        raise DataError(
            f"expected the ids of one data set of {n_total} utterances, found {len(ids)} different ids; "
            "score references and hypotheses of the same data set"
        )
    common = [key for key in refs if key in hyps]
    if refs and hyps and not common:
        raise DataError(
            f"expected references and hypotheses to share ids, found none in common "
            f"(references begin with {min(refs)!r}, hypotheses with {min(hyps)!r})"
        )
    return ScoredPairs(
        ids=tuple(common),
        references=tuple(refs[key] for key in common),
        hypotheses=tuple(nfc(hyps[key]) for key in common),
        n_total=n_total,
    )


def normalize_ids(items: Mapping[str, Value], what: str) -> dict[str, Value]:
    """Return the mapping under NFC ids; two ids that become one are refused."""
    if not isinstance(items, Mapping):
        raise DataError(f"expected {what} as a mapping from id to text, found {type(items).__name__}")
    result = {nfc(key): value for key, value in items.items()}
    if len(result) != len(items):
        raise DataError(f"expected different ids in {what}, found two that are equal after NFC")
    return result
