"""A merge recipe as data: which layers of which models are merged into what, and with which parameters.

The terms are mergekit's. :mod:`components.merging.recipe.reader` makes recipes from YAML.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from components.merging.recipe.parameters import Settings


class InputSlice(NamedTuple):
    """A model, or a range of its layers, that is merged.

    Attributes:
        model: its name in the recipe.
        layers: first layer and the one beyond the last; None for a whole model.
        parameters: the parameters that hold for this model only.
    """

    model: str
    layers: tuple[int, int] | None
    parameters: Settings


class OutputSlice(NamedTuple):
    """A run of layers of the output and the inputs that are merged into it.

    Attributes:
        inputs: in the recipe's order; all have the same number of layers.
        base_model: the base of this slice; None for the recipe's.
        parameters: the parameters of this slice.
        where: file and line, for messages.
    """

    inputs: tuple[InputSlice, ...]
    base_model: str | None
    parameters: Settings
    where: str


class OutputModule(NamedTuple):
    """One stack of layers of the output (an encoder, a decoder): its slices, first to last."""

    slices: tuple[OutputSlice, ...]
    parameters: Settings


class TokenEmbeddingSource(NamedTuple):
    """Where the embedding of one token of the output comes from.

    Attributes:
        model: the model whose embedding it is; None for zeros.
        token: the token, or its id, whose row of ``model`` is taken; None for the token itself.
        force: whether models that have the token take this row too.
    """

    model: str | None
    token: str | int | None
    force: bool


class TokenizerConfig(NamedTuple):
    """The output's tokenizer.

    Attributes:
        source: ``union`` of all, ``base``, or the name of a model.
        pad_to_multiple_of: the number of embedding rows is rounded up to a multiple of this.
        tokens: tokens whose embedding the recipe decides.
    """

    source: str
    pad_to_multiple_of: int
    tokens: Mapping[str, TokenEmbeddingSource]


class Vector(NamedTuple):
    """A task vector that a recipe adds to its base: ``scale * (model - minus)``.

    Attributes:
        model: the fine-tuned model; where ``minus`` is None a vector of a node (``node:``, ``store:``).
        minus: what it was fine-tuned from.
        scale: negative to forget the task.
    """

    model: str
    minus: str | None
    scale: float


class Recipe(NamedTuple):
    """A whole recipe.

    Attributes:
        method: a key of :data:`components.merging.methods.table.METHODS`, not yet checked.
        modules: by name; a recipe without ``modules`` has one, named "".
        base_model: the model whose deltas, or whose files, are taken; None without.
        dtype: type of the arithmetic's inputs; None for the widest of the models'.
        out_dtype: type of the output; None for ``dtype``.
        tokenizer: none where the tokenizer's files are copied as they are.
        chat_template: jinja, or ``auto`` (the most common of the models'); None to leave it as it is.
        parameters: those of the whole recipe.
        text: the YAML, as it was read.
        where: its file, for messages.
        warnings: one line per key that is ignored.
        adapters: LoRA adapters that are merged with each other instead of models; ``modules`` is then empty.
        name: what later stages call the result; None for a recipe of one stage, and for the last.
        stages: of a recipe of several stages (mergekit-multi): those before the last, in an order in which
            each finds what it reads. Only the last has them.
        vectors: task vectors that are added to the base; ``modules`` has the same sum, model by model.
    """

    method: str
    modules: Mapping[str, OutputModule]
    base_model: str | None
    dtype: str | None
    out_dtype: str | None
    tokenizer: TokenizerConfig | None
    chat_template: str | None
    parameters: Settings
    text: str
    where: str
    warnings: tuple[str, ...]
    adapters: tuple[InputSlice, ...] = ()
    name: str | None = None
    stages: tuple[Recipe, ...] = ()
    vectors: tuple[Vector, ...] = ()

    @property
    def models(self) -> tuple[str, ...]:
        """Every model that it names, the base first, else in order; adapters with their base, if named."""
        if self.adapters:
            base = self.base_model
            names = [item.model if base is None else f"{base}+{item.model}" for item in self.adapters]
            return (*([base] if base is not None else []), *names)
        slices = [piece for module in self.modules.values() for piece in module.slices]
        bases = [self.base_model] if self.base_model else []
        inputs = [source.model for piece in slices for source in piece.inputs]
        bases_of_slices = [piece.base_model for piece in slices if piece.base_model]
        return tuple(dict.fromkeys([*bases, *inputs, *bases_of_slices]))

    @property
    def sources(self) -> tuple[str, ...]:
        """Every model that it or a stage of it reads and that no stage makes, the last stage's first."""
        outputs = {stage.name for stage in self.stages}
        names = [*self.models, *(model for stage in self.stages for model in stage.models)]
        return tuple(name for name in dict.fromkeys(names) if name not in outputs)
