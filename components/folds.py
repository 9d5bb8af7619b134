"""Folds of a data set: parts of about equal size that follow from the ids of utterances alone.

``fold:-2/5:SOURCE`` trains on all but the second of five parts, and a route ``by: fold`` sends that part to
the model that has not learned from it (cross-fitting, as in stacked generalization, Wolpert 1992).
"""

from __future__ import annotations

import hashlib

LARGEST = 20
"""Folds at most."""


def fold_of(utterance_id: str, folds: int) -> int:
    """Return the fold of an utterance, from 1 to ``folds``."""
    digest = hashlib.sha256(utterance_id.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") % folds + 1
