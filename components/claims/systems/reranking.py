"""N-best lists of several systems, reranked by coefficients that were learned on development data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from components.claims.systems.workbench import Workbench
from components.ensembling.output_level.config import SYSTEM_COMBINATION_VERSION, SystemCombinationConfig
from components.ensembling.output_level.mert import mert
from components.ensembling.output_level.system_combination import combine_outputs
from components.ensembling.output_level.weighted_hypotheses import SystemNBest
from components.records import NBest, Utterance

RERANKING = SystemCombinationConfig(method="reranking", utility="bleu")
MINIMUM_RISK = SystemCombinationConfig(method="minimum_bayes_risk", utility="bleu")
Lists = Mapping[str, NBest]
"""Id of an utterance -> the n-best list of one system."""


def learn_coefficients(
    work: Workbench, utterances: Sequence[Utterance], lists: Mapping[str, Lists], language: str
) -> dict[str, float]:
    """Return coefficients of the features that choose best among the lists of development data, by BLEU."""
    nbests, references = [], []
    for utterance in utterances:
        present = {name: nbest for name, own in lists.items() if (nbest := own.get(utterance.id))}
        if present:
            nbests.append([SystemNBest(name, nbest.hypotheses) for name, nbest in present.items()])
            references.append(utterance.references)
    key = {
        "coefficients": SYSTEM_COMBINATION_VERSION,
        "config": RERANKING.model_dump(mode="json"),
        "language": language,
        "lists": [
            [[nbest.system, [[h.text, h.score, h.n_tokens] for h in nbest.hypotheses]] for nbest in group]
            for group in nbests
        ],
        "references": references,
    }

    def learn() -> dict[str, float]:
        return mert(nbests, references, RERANKING, language).coefficients

    return dict(work.cached(key, learn))


def combine(
    utterances: Sequence[Utterance],
    lists: Mapping[str, Lists],
    config: SystemCombinationConfig,
    language: str,
) -> dict[str, str]:
    """Choose a text from the lists of several systems, by id; empty where none has a list."""
    texts = {}
    for utterance in utterances:
        outcomes = {name: of_system.get(utterance.id) for name, of_system in lists.items()}
        outcome = combine_outputs(utterance.id, outcomes, config, language)
        texts[utterance.id] = outcome.best.text if isinstance(outcome, NBest) else ""
    return texts
