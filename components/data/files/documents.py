"""Documents: utterances of one text or recording, one after another, which no slice of a data set divides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby

from components.records import Utterance


def cut_slices(utterances: Iterable[Utterance], size: int) -> Iterator[list[Utterance]]:
    """Cut a data set into slices of ``size`` utterances; a slice ends no sooner than the document it ends in.

    Slices depend on the data set alone, so every node of a run, on every machine and after every
    interruption, has the same ones, and a document is translated from its beginning, whatever precedes it.
    """
    batch: list[Utterance] = []
    for utterance in utterances:
        within = batch and utterance.document is not None and utterance.document == batch[-1].document
        if len(batch) >= size and not within:
            yield batch
            batch = []
        batch.append(utterance)
    if batch:
        yield batch


def count_pieces(utterances: Iterable[Utterance]) -> Counter[str]:
    """Document -> how many pieces it stands in: 1 where all of its utterances follow one another."""
    return Counter(
        document for document, _ in groupby(each.document for each in utterances) if document is not None
    )
