"""What a remedy can gain at most, by an error attribution: what is lost where it works."""

from __future__ import annotations

from components.attribution.attribution import Attribution
from components.attribution.substitution import texts_above
from components.improvement.remedies import Proposal
from components.improvement.situation import RunUnderRepair
from components.metrics.statistics.bootstrap import Estimate


def bound_gain(proposal: Proposal, situation: RunUnderRepair, attribution: Attribution) -> Estimate | None:
    """Return what the stage loses to which the changed node belongs; None where no stage has a part in it.

    What revises the output works on the loss of all stages that translate: what it lacks to the ceiling.

    Args:
        proposal: of the remedy.
        situation: what it starts from.
        attribution: of the run.
    """
    pipeline, chain = situation.pipeline, situation.chain
    gaps = {stage.stage: stage.gap for stage in attribution.stages}
    if proposal.mends == "transcript":
        return gaps.get(" and ".join(chain.transcripts))
    if proposal.node is None and chain.drafts:
        return _subtract_from(attribution.ceiling, attribution.score)
    node = pipeline.aliases.get(proposal.node or chain.output, proposal.node or chain.output)
    stage = next(
        (draft for draft in chain.drafts if node == draft or node in texts_above(pipeline, draft)), None
    )
    return attribution.stages[-1].gap if stage is None else gaps[stage]


def _subtract_from(ceiling: float, score: Estimate) -> Estimate:
    interval = None if score.interval is None else (ceiling - score.interval[1], ceiling - score.interval[0])
    return Estimate(value=ceiling - score.value, interval=interval)
