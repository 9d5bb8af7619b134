"""mergekit's YAML recipes, read as they are. Errors name the line.

``models`` (whole models), ``slices`` (ranges of layers) or ``modules`` (either, per stack: encoder, decoder)
say what is merged, ``merge_method`` how. Models are references of ours (``packaged:``, ``store:``, ``hub:``)
or, as in mergekit, paths and ORG/NAME of the hub.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from components.merging.chat_templates import AUTO, SHORTEST, TEMPLATES
from components.merging.places import Place
from components.merging.settings import Setting, Settings
from components.yaml_text import parse, read_text

DTYPES = ("float32", "float16", "bfloat16", "float64")
KEYS = (
    *("merge_method", "models", "slices", "modules", "base_model", "parameters", "dtype", "out_dtype"),
    *("tokenizer_source", "tokenizer", "chat_template"),
)


class Source(NamedTuple):
    """A model, or a range of its layers, with the parameters that are only its own."""

    model: str
    layers: tuple[int, int] | None
    parameters: Settings


class Slice(NamedTuple):
    """Layers of the output and the sources that are merged into them."""

    sources: tuple[Source, ...]
    base: str | None
    parameters: Settings
    where: str


class Part(NamedTuple):
    """The slices of one stack of layers, first to last, and its parameters."""

    slices: tuple[Slice, ...]
    parameters: Settings


class TokenSource(NamedTuple):
    """Where one token's embedding comes from: a model (its row of ``token``), or zero. ``force``: for all."""

    model: str | None
    token: str | int | None
    force: bool


class Vocabulary(NamedTuple):
    """The output's tokenizer: ``union``, ``base`` or a model; rows are padded to a multiple."""

    source: str
    multiple: int
    tokens: Mapping[str, TokenSource]


class Recipe(NamedTuple):
    """A whole recipe. ``parts`` has one entry, named "", unless the recipe has modules; ``chat_template`` is
    Jinja, or "auto".
    """

    method: str
    parts: Mapping[str, Part]
    base: str | None
    dtype: str | None
    out_dtype: str | None
    vocabulary: Vocabulary | None
    chat_template: str | None
    parameters: Settings
    text: str
    where: str
    warnings: tuple[str, ...]

    @property
    def models(self) -> tuple[str, ...]:
        """Every model that it names, the base first, else in order."""
        named = [s.model for part in self.parts.values() for cut in part.slices for s in cut.sources]
        bases = [cut.base for part in self.parts.values() for cut in part.slices if cut.base]
        return tuple(dict.fromkeys([*([self.base] if self.base else []), *named, *bases]))


def read(path: Path) -> Recipe:
    """The recipe in a YAML file. Raises :class:`ConfigError` or :class:`MergeError` with the line."""
    return from_text(read_text(path), str(path))


def from_text(text: str, where: str = "recipe") -> Recipe:
    """The recipe in a YAML text. Raises :class:`ConfigError` or :class:`MergeError` with the line."""
    value, lines = parse(text, where)
    top = Place(value, (), lines, where)
    values = top.mapping(KEYS)
    parts = _parts(top, values)
    base = values.get("base_model")
    dtype, out_dtype = (values[k].choice(DTYPES) if k in values else None for k in ("dtype", "out_dtype"))
    if "merge_method" not in values:
        raise top.fault("expected merge_method, found none")
    template = values.get("chat_template")
    return Recipe(
        method=values["merge_method"].text(),
        parts=parts,
        base=base.text() if base else None,
        dtype=dtype,
        out_dtype=out_dtype,
        vocabulary=_vocabulary(top, values),
        chat_template=_template(template) if template else None,
        parameters=_settings(values),
        text=text,
        where=where,
        warnings=tuple(top.warnings),
    )


def _parts(top: Place, values: Mapping[str, Place]) -> dict[str, Part]:
    if sum(name in values for name in ("models", "slices", "modules")) != 1:
        raise top.fault("expected exactly one of models, slices and modules")
    if "modules" not in values:
        return {"": Part(_slices(top, values), {})}
    found: dict[str, Part] = {}
    for name, module in values["modules"].mapping().items():
        inner = module.mapping(("models", "slices", "parameters"))
        if ("models" in inner) == ("slices" in inner):
            raise module.fault("expected either models or slices")
        found[name] = Part(_slices(module, inner), _settings(inner))
    return found


def _slices(place: Place, values: Mapping[str, Place]) -> tuple[Slice, ...]:
    if "models" in values:
        sources = tuple(_source(item, ranged=False) for item in values["models"].items())
        return (Slice(sources, None, {}, values["models"].where),)
    return tuple(_slice(item) for item in values["slices"].items())


def _slice(place: Place) -> Slice:
    values = place.mapping(("sources", "base_model", "parameters", "residual_weight"))
    if "sources" not in values:
        raise place.fault("expected sources, found none")
    if "residual_weight" in values:
        raise values["residual_weight"].fault("residual_weight has no effect in mergekit: leave it out")
    sources = tuple(_source(item, ranged=True) for item in values["sources"].items())
    counts = {s.layers[1] - s.layers[0] for s in sources if s.layers}
    if len(counts) > 1:
        raise place.fault(f"expected the same number of layers from every source, found {sorted(counts)}")
    base = values.get("base_model")
    return Slice(sources, base.text() if base else None, _settings(values), place.where)


def _source(place: Place, *, ranged: bool) -> Source:
    values = place.mapping(("model", "layer_range", "parameters"))
    if "model" not in values:
        raise place.fault("expected model, found none")
    model = values["model"].text()
    if "+" in model.rpartition("/")[2] and not Path(model).exists():
        raise values["model"].fault(f"{model}: adapters (MODEL+LORA) are not read; merge it into the model")
    if not ranged:
        if "layer_range" in values:
            raise values["layer_range"].fault("layer_range belongs under slices: sources:, not under models:")
        return Source(model, None, _settings(values))
    if "layer_range" not in values:
        raise place.fault("expected layer_range: [FIRST, BEYOND_LAST], found none")
    ends = [item.integer() for item in values["layer_range"].items()]
    if len(ends) != 2 or not 0 <= ends[0] < ends[1]:
        raise values["layer_range"].fault(f"expected two rising numbers from 0, found {ends}")
    return Source(model, (ends[0], ends[1]), _settings(values))


def _settings(values: Mapping[str, Place]) -> Settings:
    if "parameters" not in values:
        return {}
    return {name: _setting(place) for name, place in values["parameters"].mapping().items()}


def _setting(place: Place) -> Setting:
    """A scalar, a list of scalars (a gradient), or one or several of {filter, value}."""
    if isinstance(place.value, dict):
        return Setting((_choice(place),), place.where)
    if not isinstance(place.value, list):
        return Setting(((None, (place.scalar(),)),), place.where)
    items = place.items()
    if any(isinstance(item.value, dict) for item in items):
        return Setting(tuple(_choice(item) for item in items), place.where)
    return Setting(((None, tuple(item.scalar() for item in items)),), place.where)


def _choice(place: Place) -> tuple[str | None, tuple[bool | int | float | str, ...]]:
    values = place.mapping(("filter", "value"))
    if "value" not in values:
        raise place.fault("expected value (and perhaps filter), found none")
    value, pattern = values["value"], values.get("filter")
    scalars = [item.scalar() for item in value.items()] if isinstance(value.value, list) else [value.scalar()]
    return (None if pattern is None else str(pattern.scalar())), tuple(scalars)


def _vocabulary(top: Place, values: Mapping[str, Place]) -> Vocabulary | None:
    if "tokenizer_source" in values and "tokenizer" in values:
        raise values["tokenizer"].fault("expected tokenizer_source or tokenizer, not both")
    if "tokenizer_source" in values:
        return Vocabulary(values["tokenizer_source"].text(), 1, {})
    if "tokenizer" not in values:
        return None
    inner = values["tokenizer"].mapping(("source", "pad_to_multiple_of", "tokens"))
    multiple = inner["pad_to_multiple_of"].integer() if "pad_to_multiple_of" in inner else 1
    if multiple < 1:
        raise inner["pad_to_multiple_of"].fault(f"expected 1 or more, found {multiple}")
    tokens = inner["tokens"].mapping() if "tokens" in inner else {}
    source = inner["source"].text() if "source" in inner else "union"
    return Vocabulary(source, multiple, {name: _token(place) for name, place in tokens.items()})


def _template(place: Place) -> str:
    text = place.text()
    if text == AUTO or text in TEMPLATES:
        return TEMPLATES.get(text, AUTO)
    if len(text) < SHORTEST or "{" not in text:
        raise place.fault(f"expected {AUTO}, {', '.join(TEMPLATES)} or a Jinja template, found {text!r}")
    return text


def _token(place: Place) -> TokenSource:
    values = place.mapping(("source", "force"))
    force = "force" in values and str(values["force"].scalar()).lower() in {"true", "yes", "on"}
    source = values.get("source")
    if source is None:
        return TokenSource(None, None, force)
    if isinstance(source.value, str):
        return TokenSource(source.text(), None, force)
    inner = source.mapping(("kind", "model", "token", "token_id"))
    kind = inner["kind"].choice(("zero", "model_token")) if "kind" in inner else "model_token"
    if kind == "zero":
        return TokenSource(None, None, force)
    if "model" not in inner or ("token" in inner) == ("token_id" in inner):
        raise source.fault("expected model and one of token and token_id")
    token = inner["token"].text() if "token" in inner else inner["token_id"].integer()
    return TokenSource(inner["model"].text(), token, force)
