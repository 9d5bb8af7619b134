"""``loop``: a body of nodes applied to a text until a rule stops it; stands for the nodes of all rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field
from typing_extensions import override

from components.errors import ConfigError
from components.nodes.facts import Language
from components.nodes.kind import Kind
from components.nodes.node_context import Component, Item, LanguagePairs, NodeContext
from components.pipeline.steps.renamed_reads import names_of, rename_reads
from components.records import Outcome
from components.refining.config import ESTIMATE, GateName, RoundsConfig
from components.refining.judging.proposal_judge import ProposalJudge
from components.refining.kinds.rounds import MAX_ROUNDS, Round, texts_of

Values = dict[str, Any]
_ESTIMATING = ("estimate", "python", "command")
"""Kinds whose texts may bring estimates."""


class LoopRoundSettings(RoundsConfig):
    """What accepts the body's result, and when an utterance leaves the loop."""

    gate: GateName = Field(
        "off", description="estimate that must rise for the body's result to be accepted; off: always"
    )

    @property
    def runs_models(self) -> bool:
        """Whether a model judges the texts."""
        return self.gate not in ("off", ESTIMATE)


class LoopSettings(LoopRoundSettings):
    """The body, and the number of rounds."""

    rounds: int = Field(ge=1, le=MAX_ROUNDS, description="rounds at most")
    body: dict[str, dict[str, Any]] = Field(
        min_length=1,
        description="nodes by name; the loop's own name is the present text, the last node gives the next",
    )


class Loop(Kind[LoopSettings]):
    """Applies a sub-pipeline again and again to the text of ``of``; every round is kept."""

    name = "loop"
    summary = "a body of nodes again and again over a text; an utterance leaves when a rule stops it"
    settings = LoopSettings

    @override
    def expand(self, name: str, values: Values) -> dict[str, Values]:
        """Return each round's body and decision NAME-1, NAME-2, ..., and NAME, which selects the last."""
        own = {key: value for key, value in values.items() if key not in ("kind", "of", "when")}
        settings = LoopSettings.model_validate(own)
        draft = values.get("of")
        if not isinstance(draft, str) or draft == "data":
            raise ConfigError(f"of: expected the node whose text the loop begins with, found {draft!r}")
        if "seconds" in own.get("stop", ()):
            raise ConfigError(
                "stop: expected rules that a loop has, found seconds, which its body does not keep"
            )
        _check_body(name, settings.body)
        _check_estimates(settings)
        decided = {key: value for key, value in own.items() if key not in ("rounds", "body")}
        sent: Values = {"when": values["when"]} if "when" in values else {}
        going = sent
        nodes: dict[str, Values] = {}
        rounds: list[str] = []
        for number in range(1, settings.rounds + 1):
            names = {name: rounds[-1] if rounds else draft}
            names |= {part: f"{name}-{number}-{part}" for part in settings.body}
            for part, body in settings.body.items():
                of = body.get("of")
                display_names = (
                    {} if of is None else {"display_names": [of] if isinstance(of, str) else list(of)}
                )
                written = {"written": ("nodes", name, "body", part), **display_names}
                nodes[names[part]] = {**going, **rename_reads(body, names_of(names)), **written}
            last = names[list(settings.body)[-1]]
            read = [draft, *rounds, last]
            rounds.append(f"{name}-{number}")
            nodes[rounds[-1]] = {**going, "kind": LoopRound.name, "of": read, **decided}
            going = {"when": f"{rounds[-1]}.going"}
        nodes[name] = {**sent, "kind": "select", "of": [*reversed(rounds), draft]}
        return nodes


def _check_body(name: str, body: Mapping[str, Values]) -> None:
    """Refuse a body that could never change anything, or a node in it with the loop's name.

    Raises:
        ConfigError: in one line, why.
    """
    if name in body:
        raise ConfigError(f"body.{name}: expected another name than the loop's, which is the present text")
    for node, values in body.items():
        of = values.get("of", "")
        if not isinstance(of, str | list) or not all(isinstance(name, str) for name in of):
            raise ConfigError(f"body.{node}.of: expected a node or a list of nodes, found {of!r}")
    below = {name}
    for _ in body:  # as often as there are nodes reaches everything that is below the present text
        below |= {node for node, values in body.items() if below & _nodes_read_by(values)}
    result = list(body)[-1]
    if result not in below:
        raise ConfigError(
            f"body: expected its last node, {result}, to read {name} (the present text), itself or through "
            "others; found none: nothing would change, and it could not stop"
        )


def _check_estimates(settings: LoopSettings) -> None:
    """Refuse a body whose texts have no estimate although gate or stop rule read one: ConfigError."""
    last, values = list(settings.body.items())[-1]
    kind = values.get("kind")
    if settings.uses_estimates and settings.estimator is None and kind not in _ESTIMATING:
        raise ConfigError(
            "estimator: expected one, or a body that ends with a node of kind estimate, found "
            f"{last} of kind {kind}"
        )


def _nodes_read_by(values: Values) -> set[str]:
    of = values.get("of", ())
    when = str(values.get("when", "")).partition(".")[0]
    return {of} if isinstance(of, str) else {*map(str, of), when}


class LoopRound(Round[LoopRoundSettings]):
    """The end of one round: compares the body's result with the text before, and decides whether to go on."""

    name = "loop_round"
    summary = "the end of one round of loop"
    settings = LoopRoundSettings
    language = Language.SAME

    @override
    def count_texts(self, context: NodeContext) -> int | None:
        """Count none: nodes gave the texts."""
        return None

    @override
    def check(self, settings: LoopRoundSettings, context: NodeContext) -> None:
        """Check the settings of the gate and of the estimates."""
        if settings.gate != "off" or settings.estimator is not None:
            from components.refining import checks  # noqa: PLC0415 - imports torch

            checks.check_gate(settings, context.store, transcripts=context.transcripts, texts=None)

    @override
    def validate_models(
        self, settings: LoopRoundSettings, context: NodeContext, pairs: LanguagePairs
    ) -> None:
        """Check that the gate's model can judge texts of these languages."""
        if settings.gate != "off":
            from components.refining import checks  # noqa: PLC0415 - imports torch

            checks.validate_gate_model(settings, context.store, pairs)

    @override
    def build(self, settings: LoopRoundSettings, context: NodeContext) -> Component:
        """Return the judge of what the body proposes."""
        judge = ProposalJudge(settings, context.store)

        def decide(items: Sequence[Item]) -> list[Outcome]:
            texts = [texts_of(item) for item in items]
            utterances = [item.utterance for item in items]
            return judge.judge_round(utterances, [past[:-1] for past in texts], [past[-1] for past in texts])

        return decide
