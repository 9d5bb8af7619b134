"""Step-synchronous search over one or many members: greedy, beam, sampling, forced decoding."""

from components.decoding.candidates import Candidate
from components.decoding.combine import Combiner, Gate, Mixed, Single
from components.decoding.config import SearchConfig
from components.decoding.members import Member, Vocabulary, digest_of
from components.decoding.rules import History, Rule
from components.decoding.search import force, search

__all__ = [
    "Candidate",
    "Combiner",
    "Gate",
    "History",
    "Member",
    "Mixed",
    "Rule",
    "SearchConfig",
    "Single",
    "Vocabulary",
    "digest_of",
    "force",
    "search",
]
