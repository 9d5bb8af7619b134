"""Force-scoring: how probable a given translation is to a system, whatever system wrote it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from components.decoding.candidates import Candidate
from components.decoding.combiner import Combiner
from components.decoding.scorers import TokenScorer
from components.decoding.search import force_decode


def force_texts(
    members: Sequence[TokenScorer], tokenizer: Any, texts: Sequence[str], combine: Combiner | None = None
) -> list[Candidate]:
    """Each utterance's text under the members' mixture: log-probabilities per token, its ending included."""
    sequences = [tuple(tokenizer(text_target=text).input_ids) for text in texts]
    return force_decode(members, sequences, combiner=combine)
