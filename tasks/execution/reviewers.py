"""Who asks people for a node that waits for answers: the entry of ``antiphon.reviewers``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from components.extensions import Extensions, accept_any
from components.nodes.facts import Mode
from components.nodes.questions import Answers, Question
from components.pipeline.pipeline import Node, Pipeline
from components.pipeline.planning import NodePlan


class Reviewer(Protocol):
    """What asks people; a module may be one."""

    def pass_unattended_reviews(self, pipeline: Pipeline, plans: Mapping[str, NodePlan]) -> Pipeline:
        """Return the pipeline in which reviews pass that nobody can answer and that may pass; else itself."""

    def require_reviewer(self, pipeline: Pipeline, node: Node) -> None:
        """Refuse a node that asks a person where there is none, unless its texts may pass. ConfigError."""

    def ask(self, node: str, questions: Sequence[Question], hours: float) -> Answers:
        """Ask for the answers of a node, and wait for them. StoreError where nobody gave them in time."""


REVIEWERS: Extensions[Reviewer] = Extensions("antiphon.reviewers", "reviewer", accept_any)


def asks_people(pipeline: Pipeline) -> bool:
    """Return whether a node waits for a person's answers."""
    return any(node.kind.mode is Mode.BY_HAND for node in pipeline)
