"""Step-synchronous search over one or many members: greedy, beam, sampling, forced decoding."""

from components.decoding.candidates import Candidate
from components.decoding.combine import Combiner, Mixture, Single
from components.decoding.config import SearchConfig
from components.decoding.members import Member, Vocabulary, digest_of, log_probs_of
from components.decoding.rules import History, Rule
from components.decoding.search import force, search

__all__ = [
    "Candidate",
    "Combiner",
    "History",
    "Member",
    "Mixture",
    "Rule",
    "SearchConfig",
    "Single",
    "Vocabulary",
    "digest_of",
    "force",
    "log_probs_of",
    "search",
]
