"""Drafts refined outside of a pipeline: the texts after every round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from components.claims.systems.workbench import Workbench, identify
from components.records import Hypothesis, NBest, Utterance
from components.refining.config import VERSION, RefineConfig

Texts = Mapping[str, str]


def refine(
    work: Workbench,
    utterances: Sequence[Utterance],
    drafts: Texts,
    config: RefineConfig,
    rounds: int,
    tags: str | None = None,
) -> list[Texts]:
    """Return the texts after each of ``rounds`` rounds.

    Args:
        work: keeps them.
        utterances: sources.
        drafts: texts by id that the first round starts from.
        config: what proposes and what accepts.
        rounds: how many.
        tags: how edit diffusion chooses tags; by default as it does in a pipeline.
    """
    key = {
        "refine": VERSION,
        "model": identify(config.model),
        "config": config.model_dump(mode="json", exclude={"model"}),
        "rounds": rounds,
        "tags": tags,
        "texts": [(u.id, u.source_language, u.target_language, u.text, drafts[u.id]) for u in utterances],
    }
    what = f"refining with {config.model}"
    return list(work.cached(key, lambda: _run_rounds(utterances, drafts, config, rounds, tags), what))


def _run_rounds(
    utterances: Sequence[Utterance], drafts: Texts, config: RefineConfig, rounds: int, tags: str | None
) -> list[Texts]:
    from components.decoding.searches.edit_diffusion import TAG_CHOICES  # noqa: PLC0415 - imports torch
    from components.refining.rounds import Refiner  # noqa: PLC0415 - imports torch

    refiner = Refiner(config, None)
    if tags is not None:
        refiner.proposer.ready.choose = TAG_CHOICES[tags]  # type: ignore[union-attr]
    history = [[_to_draft(utterance, drafts[utterance.id])] for utterance in utterances]
    results: list[Texts] = []
    for left in range(rounds, 0, -1):
        outcomes = refiner.run_round(utterances, history, left)
        for past, outcome in zip(history, outcomes, strict=True):
            if not isinstance(outcome, NBest):
                raise ValueError(f"{past[0].utterance_id}: expected a text, found {outcome}")
            past.append(outcome)
        results.append({past[-1].utterance_id: past[-1].best.text for past in history})
    return results


def _to_draft(utterance: Utterance, text: str) -> NBest:
    draft = Hypothesis(text=text, score=0.0, n_tokens=0, system="draft")
    return NBest(utterance_id=utterance.id, hypotheses=(draft,))
