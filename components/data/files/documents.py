"""Documents: utterances of one text or recording, one after another, which no cut divides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import groupby

from components.records import Utterance


def count_pieces(utterances: Iterable[Utterance]) -> Counter[str]:
    """Document -> how many pieces it stands in: 1 where all of its utterances follow one another."""
    return Counter(
        document for document, _ in groupby(each.document for each in utterances) if document is not None
    )
