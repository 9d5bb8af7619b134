"""What remedies start from: the pipeline of a run, what can be corrected in it, and what the user chose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from components.attribution.substitution import Chain
from components.nodes.facts import Language
from components.pipeline.pipeline import Pipeline
from components.pipeline.written import definition_of, values_of

Mended = Literal["transcript", "translation"]
"""What a remedy works on."""
Values = dict[str, Any]
"""A pipeline as it is written in a file."""


class ImproveOptions(NamedTuple):
    """What the user chose for remedies; None or empty where it is left to Antiphon.

    Attributes:
        recognizer: the larger recognizer.
        share: of the utterances that are recognized again, in (0, 1).
        refiner: the language model that revises translations.
        gate_model: the model by which a revision is judged.
        terms: file of terms.
        soup: models to be averaged with the translator.
    """

    recognizer: str | None = None
    share: float = 0.3
    refiner: str | None = None
    gate_model: str | None = None
    terms: str | None = None
    soup: tuple[str, ...] = ()


class RunUnderRepair(NamedTuple):
    """What a remedy starts from: the pipeline of a run, what can be corrected in it, and choices."""

    pipeline: Pipeline
    chain: Chain
    choices: ImproveOptions

    def texts_of(self, mends: Mended) -> tuple[str, ...]:
        """Return the nodes whose texts are mended."""
        return self.chain.transcripts if mends == "transcript" else (self.chain.output,)

    def models_above(self, kind: str, names: Sequence[str]) -> list[str]:
        """Return the written nodes of a kind that make the texts of some nodes.

        Nodes of other kinds, which vote, choose, revise or judge, are passed on the way up; of those of the
        kind, the first on each way counts.
        """
        pipeline, pending = self.pipeline, list(names)
        models: set[str] = set()
        seen: set[str] = set()
        while pending:
            name = pending.pop()
            written = definition_of(pipeline, name)
            node = pipeline.nodes[name]
            if pipeline.definitions.get(written, {}).get("kind") == kind:
                models.add(written)
                continue
            above = node.of[:1] if node.kind.language is Language.OF_FIRST else node.of
            pending += [other for other in above if pipeline.type_of(other) == "text" and other not in seen]
            seen.update(above)
        return [name for name in pipeline.definitions if name in models]

    def change(self, name: str, **settings: Any) -> Values:
        """Return the pipeline with some settings of a written node changed."""
        values = values_of(self.pipeline)
        values["nodes"][name] = {**self.pipeline.definitions[name], **settings}
        return values
