"""Learns the coefficient of late fusion on development data.

Both members are forced through the references; the weight w of the speech model is the one at which (1 - w)
p_text + w p_speech gives the references the highest likelihood. That is concave in w, so the best point of
the grid is next to the optimum.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from components.decoding.searches.forced_scoring import force_decode
from components.ensembling.token_level.combiners import LinearInterpolation
from components.errors import DataError
from components.records import Quarantined, Utterance
from components.stacking.config import StackConfig
from components.stacking.methods import METHODS
from components.stacking.translator import StackedTranslator

GRID_POINTS = 101
"""Weights that are tried, evenly spaced from 0 to 1."""


def search_weight(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Search the second member's weight of highest likelihood. Ties go to the smaller weight.

    Args:
        first: the first member's log-probabilities of the reference tokens.
        second: the second member's, of the same tokens.

    Returns:
        The weight, and the mean log-likelihood (nats per token) under it.

    Raises:
        DataError: there are none, or not equally many.
    """
    if not first or len(first) != len(second):
        raise DataError(
            f"expected equally many log-probabilities of both members, found {len(first)} and {len(second)}"
        )
    a, b = torch.tensor(first, dtype=torch.float64), torch.tensor(second, dtype=torch.float64)
    weights = torch.linspace(0, 1, GRID_POINTS, dtype=torch.float64)[:, None]
    likelihoods = torch.logaddexp((1 - weights).log() + a, weights.log() + b).mean(1)
    best = int(likelihoods.argmax())
    return best / (GRID_POINTS - 1), float(likelihoods[best])


def learn_coefficient(
    config: StackConfig, text_model: str, utterances: Sequence[Utterance], store: str | None = None
) -> tuple[float, float]:
    """Learn the weight of the speech model on development utterances.

    Args:
        config: settings of the stack.
        text_model: the cascade's translator.
        utterances: as the ``stack`` node takes them, with references.
        store: where ``store:`` references are looked up.

    Returns:
        The weight, and the mean log-likelihood (nats per token) under it.

    Raises:
        DataError: no utterance has references.
    """
    method = METHODS["late_fusion"](config.model_copy(update={"coefficient": 0.5}), text_model, store)
    translator = StackedTranslator(config, method)
    text_log_probs: list[float] = []
    speech_log_probs: list[float] = []
    with_references = [utterance for utterance in utterances if utterance.references]
    for start in range(0, len(with_references), config.batch_size):
        utterances_of_batch = with_references[start : start + config.batch_size]
        prepared = [
            translator.prepare(index, utterance) for index, utterance in enumerate(utterances_of_batch)
        ]
        pairs = [
            (source, target)
            for source in prepared
            if not isinstance(source, Quarantined)
            and len(target := tuple(method.tokenizer(text_target=source.utterance.references[0]).input_ids))
            <= method.max_tokens
        ]
        if not pairs:
            continue
        batch, targets = zip(*pairs, strict=True)
        combiner = LinearInterpolation((0.5, 0.5))
        for candidate in force_decode(method.build_scorers(batch), targets, combiner=combiner):
            text_log_probs += [value for value in candidate.member_log_probs[0] if value is not None]
            speech_log_probs += [value for value in candidate.member_log_probs[1] if value is not None]
    return search_weight(text_log_probs, speech_log_probs)
