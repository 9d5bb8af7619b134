"""The rounds of a finished graph: each ``refine`` and ``loop`` with its draft, and why utterances left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple, cast

from components.analysis.measuring.protocol import Protocol
from components.pipeline.pipeline import DATA, Pipeline
from components.records import NBest
from components.refining.config import RoundsConfig
from components.refining.judging.stopping import STOP_RULES
from components.refining.kinds.loop import Loop, LoopRound
from components.refining.kinds.rounds import Round
from components.run_record import StageRef


class RoundsRequest(NamedTuple):
    """The rounds of one node that are scored.

    Attributes:
        data: the data set.
        rounds: the draft, then the rounds.
        protocol: how their texts are measured.
        reported: the metric.
        prefix: of the names of the scores.
        whole: what a loop gave: it has the texts that left, of a failed body too, which no later round has.
    """

    data: StageRef
    rounds: tuple[StageRef, ...]
    protocol: Protocol
    reported: str
    prefix: str = ""
    whole: StageRef | None = None

    @property
    def reached(self) -> StageRef:
        """The stage of all utterances that the rounds were for."""
        return self.whole or self.rounds[1]


def find_requests(pipeline: Pipeline, stages: Mapping[str, StageRef], normalizer: str) -> list[RoundsRequest]:
    """Return what is scored of each node of rounds over the run's own data, as it is written."""
    requests = []
    for name in pipeline.definitions:
        rounds = find_rounds(pipeline, stages, name)
        if len(rounds) < 2:
            continue
        last = rounds[-1].stage
        data = pipeline.speech_of(last)
        if pipeline.data_of(last) != DATA or data not in stages:
            continue
        settings, is_spoken = cast("RoundsConfig", pipeline.nodes[last].settings), pipeline.is_spoken(last)
        request = RoundsRequest(
            stages[data],
            rounds,
            Protocol(
                language=None if is_spoken else pipeline.language_of(last),
                target_language=pipeline.languages[1],
                normalizer=normalizer,
            ),
            "wer" if is_spoken else settings.reported,
            "" if {name, last} & {*pipeline.outputs.values()} else f"{name}_",
            stages.get(name) if isinstance(pipeline.nodes[last].kind, LoopRound) else None,
        )
        requests.append(request)
    return requests


def find_rounds(pipeline: Pipeline, stages: Mapping[str, StageRef], name: str) -> tuple[StageRef, ...]:
    """Return the stages of a node of rounds: its draft, then the rounds that there are; () of another node.

    Args:
        pipeline: the graph.
        stages: finished stages by node.
        name: the node, as it is written.
    """
    last = pipeline.nodes.get(pipeline.aliases.get(name, name))
    if last is not None and pipeline.definitions[name]["kind"] == Loop.name:
        last = pipeline.nodes[last.of[0]]
    if last is None or not isinstance(last.kind, Round):
        return ()
    draft, *others = last.of
    while draft not in stages and isinstance(pipeline.nodes[draft].kind, Round):  # skipped: it had stopped
        draft = pipeline.nodes[draft].of[-1]
    names = [draft, *(n for n in others if pipeline.nodes[n].kind is last.kind), last.name]
    return tuple(stages[node] for node in names if node in stages) if draft in stages else ()


def count_stop_reasons(outcomes: Iterable[NBest]) -> dict[str, int]:
    """Count why utterances ended with a round: by a rule's name, or ``rounds`` for the budget."""
    decisions = (outcome.best.decision for outcome in outcomes)
    stopped = Counter((decision and decision.stopped) or "rounds" for decision in decisions)
    return {name: stopped[name] for name in ("rounds", *STOP_RULES) if name in stopped}
