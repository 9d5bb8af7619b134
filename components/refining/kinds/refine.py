"""``refine``: a text improved round by round; stands for one node per round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pydantic import Field
from typing_extensions import override

from components.errors import ConfigError
from components.models.references import is_elsewhere
from components.nodes.facts import Facts, Mode, state
from components.nodes.kind import Kind
from components.nodes.node_context import Component, Item, LanguagePairs, NodeContext
from components.records import NBest, Outcome
from components.refining.config import DIFFUSION_VERSION, SERVED_VERSION, RefineConfig
from components.refining.kinds.rounds import MAX_ROUNDS, Round, texts_of
from components.served_usage import COUNTS
from components.text.text_confidence import ESTIMATES


class RefineSettings(RefineConfig):
    """Settings of the rounds, and how many there are."""

    rounds: int = Field(2, ge=1, le=MAX_ROUNDS, description="budget: rounds of refinement at most")


class RefineRoundSettings(RefineConfig):
    """Settings of one round."""

    left: int = Field(1, ge=1, description="rounds still to come, this one among them")
    criticized: bool = Field(False, description="the second input holds the critic's words on the first")

    def key_parameters(self) -> dict[str, Any]:
        """Return the parameters; the rounds to come count only for a method with a schedule.

        So a larger budget reuses the rounds of a smaller one.
        """
        parameters = super().key_parameters()
        return parameters if self.is_scheduled else {**parameters, "left": None}


class Refine(Kind[RefineSettings]):
    """Improves a draft: ``of: DRAFT``, or ``of: [DRAFT, CRITIC]`` with another node's feedback on it."""

    name = "refine"
    summary = "a draft revised in rounds: self-refine, deliberation, edit diffusion"
    settings = RefineSettings
    inputs = (1, 2)

    @override
    def expand(self, name: str, values: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Return the nodes NAME-1, NAME-2, ...: each reads the draft and the rounds before it."""
        own = {key: value for key, value in values.items() if key not in ("kind", "of", "when")}
        settings = RefineSettings.model_validate(own)
        of = values.get("of")
        read = [of] if isinstance(of, str) else list(of) if isinstance(of, list | tuple) else []
        if not 1 <= len(read) <= 2 or "data" in read:
            raise ConfigError(
                "of: expected the node whose text is refined, or two: that one and its critic's, "
                f"found {of!r}"
            )
        rounds = settings.rounds
        if len(read) == 2:
            if rounds > 1 and "rounds" in own:
                raise ConfigError(
                    f"rounds: expected 1, as {read[1]}'s words are about {read[0]} and no later text, found "
                    f"{rounds}; for several put both into the body of a loop"
                )
            rounds = 1
            own["criticized"] = True
        own.pop("rounds", None)
        names = [f"{name}-{number}" for number in range(1, rounds + 1)]
        return {
            round_name: {
                **({"when": values["when"]} if "when" in values else {}),
                "kind": RefineRound.name,
                "of": [*read, *names[:number]],
                **own,
                "left": rounds - number,
            }
            for number, round_name in enumerate(names)
        }


class RefineRound(Round[RefineRoundSettings]):
    """One round: propose, estimate, accept or keep, and decide whether and why to stop."""

    name = "refine_round"
    summary = "one round of refine"
    settings = RefineRoundSettings
    stated = state(
        **Round.stated, features=("gate", "gate_before", "gate_proposed", "seconds", *ESTIMATES, *COUNTS)
    )
    mode = Mode.ROUND

    @override
    def facts(self, settings: RefineRoundSettings) -> Facts:
        facts = replace(super().facts(settings), is_scored=settings.left == 1)
        if settings.criticized:  # from 2 on it passes a written text on that its draft passes
            facts = replace(facts, remarks=1, version=f"{facts.version}/critic/2")
        if settings.method == "diffusion":
            return replace(facts, version=f"{facts.version}/diffusion/{DIFFUSION_VERSION}")
        served = f"{facts.version}/served/{SERVED_VERSION}"
        return replace(facts, version=served) if is_elsewhere(settings.model) else facts

    @override
    def check(self, settings: RefineRoundSettings, context: NodeContext) -> None:
        """Check its gate, its method, its device and its models' names."""
        from components.refining import checks  # noqa: PLC0415 - imports torch

        if settings.criticized and settings.method != "self_refine":
            raise ConfigError(
                f"of: expected method self_refine to read the critic's words, found {settings.method}"
            )
        checks.check(settings, context.store, transcripts=context.transcripts)

    @override
    def validate_models(
        self, settings: RefineRoundSettings, context: NodeContext, pairs: LanguagePairs
    ) -> None:
        """Check that its models can refine and judge texts of these languages."""
        from components.refining import checks  # noqa: PLC0415 - imports torch

        checks.validate_models(settings, context.store, pairs)

    @override
    def build(self, settings: RefineRoundSettings, context: NodeContext) -> Component:
        from components.refining.rounds import Refiner  # noqa: PLC0415 - imports torch

        refiner = Refiner(settings, context.store)

        def refine(items: Sequence[Item]) -> list[Outcome]:
            utterances = [item.utterance for item in items]
            history, feedback = _history_and_feedback(items, criticized=settings.criticized)
            return refiner.run_round(utterances, history, settings.left, feedback)

        return refine


def _history_and_feedback(
    items: Sequence[Item], *, criticized: bool
) -> tuple[list[list[NBest]], list[str] | None]:
    """Return for each item the draft and the rounds after it, and the critic's feedback on the draft."""
    texts = [texts_of(item) for item in items]
    if not criticized:
        return texts, None
    return [[draft] for draft, _ in texts], [words.best.text for _, words in texts]
