"""``fuse``: one new text from several n-best lists, by a prompted or a trained model, behind gates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from typing_extensions import override

from components.fusing.config import VERSION, FuseConfig
from components.nodes.facts import Carry, Facts, Items, Language, Need, state
from components.nodes.node_context import Component, Item, LanguagePairs, NodeContext
from components.nodes.select import refuse
from components.records import NBest, Outcome
from components.refining.kinds.rounds import LIBRARIES, Gated, texts_of
from components.run_record import StageRef
from components.served_usage import COUNTS
from components.storage.shards.tallies import NO_VALUES, features_in
from components.storage.stages.reader import read_tallies
from components.text.text_confidence import ESTIMATES


def _candidates(settings: FuseConfig, nbests: Sequence[NBest]) -> list[str]:
    """Return the candidates that the model reads."""
    from components.fusing.candidates import collect_texts  # noqa: PLC0415 - imports numpy

    return collect_texts(nbests, settings.candidates)


class Fuse(Gated[FuseConfig]):
    """Writes a new text from texts of one language; the best of the first input is what a gate keeps."""

    name = "fuse"
    summary = "n-best lists -> one new text, by a prompted or a trained model, behind gates"
    settings = FuseConfig
    reads = ("text",)
    inputs = (1, 64)
    stated = state(
        features=("systems", "edit_distance", "fused", "gate_before", "gate_proposed", *ESTIMATES, *COUNTS)
    )
    items = Items(Carry.SOURCE, Need.ANY)
    language = Language.SAME
    version = str(VERSION)
    libraries = (*LIBRARIES, "rapidfuzz")

    @override
    def facts(self, settings: FuseConfig) -> Facts:
        return replace(super().facts(settings), candidates=partial(_candidates, settings))

    @override
    def count_texts(self, context: NodeContext) -> int | None:
        return len(context.of)

    @override
    def check(self, settings: FuseConfig, context: NodeContext) -> None:
        """Check the gate, the device and the models' names."""
        from components.fusing import checks  # noqa: PLC0415 - imports torch

        checks.check(settings, context.store, transcripts=context.transcripts, texts=len(context.of))

    @override
    def validate_models(self, settings: FuseConfig, context: NodeContext, pairs: LanguagePairs) -> None:
        """Check that its models can write and judge these texts."""
        from components.fusing import checks  # noqa: PLC0415 - imports torch

        checks.validate_models(settings, context.store, pairs, transcripts=context.transcripts)

    @override
    def build(self, settings: FuseConfig, context: NodeContext) -> Component:
        """Return the fuser, its models loaded."""
        from components.fusing.fuser import Fuser, Lists  # noqa: PLC0415 - imports torch

        fuser = Fuser(settings, context.store, transcripts=context.transcripts)

        def fuse(items: Sequence[Item]) -> list[Outcome]:
            lists = [Lists(item.utterance, *_split(item, context.of)) for item in items]
            fused = iter(fuser.fuse([each for each in lists if each.nbests]))
            pairs = zip(items, lists, strict=True)
            return [next(fused) if each.nbests else refuse(item, context) for item, each in pairs]

        return fuse

    @override
    def notes(
        self, settings: FuseConfig, context: NodeContext, ref: StageRef, data: StageRef | None
    ) -> list[str]:
        """Say how many new texts were accepted."""
        fused = features_in(read_tallies(ref)).get("fused", NO_VALUES)
        return [f"{ref.stage}: {fused.total:.0f} of {fused.n} texts are new, the others the first candidate"]


def _split(item: Item, of: Sequence[str]) -> tuple[list[NBest], dict[str, NBest]]:
    """Return the lists, and the further ones by their numbers in ``of``."""
    numbered = {str(n): item.inputs.get(name) for n, name in enumerate(of[1:], 2)}
    return texts_of(item), {n: nbest for n, nbest in numbered.items() if isinstance(nbest, NBest)}
