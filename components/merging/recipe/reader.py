"""mergekit's YAML recipes, read as they are. Errors name the line.

``models`` (whole models), ``slices`` (ranges of layers) or ``modules`` (either, per stack: encoder, decoder)
say what is merged, ``merge_method`` how; a key of ours, ``adapters``, merges LoRA adapters with each other.
Several documents (``---``) are the stages of mergekit-multi: a ``name`` is a model for the others.
Models are references of ours (``packaged:``, ``store:``, ``hub:``) or, as in mergekit, paths and ORG/NAME of
the hub.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from components.files.yaml_text import parse_yaml, read_yaml_text
from components.merging.recipe.chat_templates import AUTO, MIN_TEMPLATE_LENGTH, TEMPLATES
from components.merging.recipe.parameters import Setting, Settings
from components.merging.recipe.recipe import (
    InputSlice,
    OutputModule,
    OutputSlice,
    Recipe,
    TokenEmbeddingSource,
    TokenizerConfig,
)
from components.merging.recipe.stages import join_stages, split_documents
from components.merging.recipe.vectors import has_vectors, read_vectors, sum_vectors
from components.merging.recipe.yaml_node import YamlNode

DTYPES = ("float32", "float16", "bfloat16", "float64")
KEYS = (
    *(
        "merge_method",
        "models",
        "slices",
        "modules",
        "adapters",
        "base_model",
        "parameters",
        "dtype",
        "out_dtype",
    ),
    *("tokenizer_source", "tokenizer", "chat_template", "name"),
)


def read_recipe(path: Path) -> Recipe:
    """Read a recipe from a YAML file.

    Raises:
        ConfigError: The file cannot be read or is no YAML; the message names the line.
        MergeError: A key or value is not one of mergekit's; the message names the line.
    """
    return parse_recipe(read_yaml_text(path), str(path))


def parse_recipe(text: str, where: str = "recipe") -> Recipe:
    """Parse a recipe from YAML text.

    Args:
        text: mergekit's YAML.
        where: what to call it in messages, usually its path.

    Raises:
        ConfigError: It is no YAML; the message names the line.
        MergeError: A key or value is not one of mergekit's; the message names the line.
    """
    documents = split_documents(text)
    if len(documents) == 1:
        return _parse_document(text, where)
    return join_stages([_parse_document(document, where) for document in documents], text)


def _parse_document(text: str, where: str) -> Recipe:
    value, lines = parse_yaml(text, where)
    top = YamlNode(value, (), lines, where)
    values = top.mapping(KEYS)
    adapters = _read_adapters(top, values) if "adapters" in values else ()
    vectors = read_vectors(top, values) if has_vectors(values) and "merge_method" in values else ()
    modules = {} if adapters or vectors else _read_modules(top, values)
    base = values.get("base_model")
    dtype, out_dtype = (values[k].choice(DTYPES) if k in values else None for k in ("dtype", "out_dtype"))
    if "merge_method" not in values:
        raise top.error("expected merge_method, found none")
    template = values.get("chat_template")
    recipe = Recipe(
        method=values["merge_method"].text(),
        modules=modules,
        base_model=base.text() if base else None,
        dtype=dtype,
        out_dtype=out_dtype,
        tokenizer=_read_tokenizer(values),
        chat_template=_read_chat_template(template) if template else None,
        parameters=_read_parameters(values),
        text=text.lstrip("\n"),
        where=where,
        warnings=tuple(top.warnings),
        adapters=adapters,
        name=values["name"].text() if "name" in values else None,
        vectors=vectors,
    )
    return sum_vectors(recipe) if vectors else recipe


def _read_adapters(top: YamlNode, values: Mapping[str, YamlNode]) -> tuple[InputSlice, ...]:
    """Read ``adapters``: a list of {adapter, parameters}; what is said of models has no meaning beside it."""
    others = sorted(set(values) - {"merge_method", "adapters", "base_model", "parameters"})
    if others:
        raise values[others[0]].error(f"{others[0]} has no meaning beside adapters: leave it out")
    inputs = []
    for item in values["adapters"].items():
        inner = item.mapping(required=("adapter",))
        for name in inner.keys() - {"adapter", "parameters"}:
            raise inner[name].error("expected adapter and parameters, such as {weight: 0.5}, alone")
        inputs.append(InputSlice(inner["adapter"].text(), None, _read_parameters(inner)))
    names = [source.model for source in inputs]
    if len(set(names)) < len(names) or len(names) < 2:
        raise top.error(f"expected two adapters or more, each once, found {', '.join(names) or 'none'}")
    return tuple(inputs)


def _read_modules(top: YamlNode, values: Mapping[str, YamlNode]) -> dict[str, OutputModule]:
    if sum(name in values for name in ("models", "slices", "modules")) != 1:
        raise top.error("expected exactly one of models, slices and modules")
    if "modules" not in values:
        return {"": OutputModule(_read_slices(values), {})}
    modules: dict[str, OutputModule] = {}
    for name, module in values["modules"].mapping().items():
        inner = module.mapping(("models", "slices", "parameters"))
        if ("models" in inner) == ("slices" in inner):
            raise module.error("expected either models or slices")
        modules[name] = OutputModule(_read_slices(inner), _read_parameters(inner))
    return modules


def _read_slices(values: Mapping[str, YamlNode]) -> tuple[OutputSlice, ...]:
    if "models" in values:
        sources = tuple(_read_input(item, ranged=False) for item in values["models"].items())
        return (OutputSlice(sources, None, {}, values["models"].where),)
    return tuple(_read_slice(item) for item in values["slices"].items())


def _read_slice(node: YamlNode) -> OutputSlice:
    known = ("sources", "base_model", "parameters", "residual_weight")
    values = node.mapping(known, required=("sources",))
    if "residual_weight" in values:
        raise values["residual_weight"].error("residual_weight has no effect in mergekit: leave it out")
    sources = tuple(_read_input(item, ranged=True) for item in values["sources"].items())
    counts = {s.layers[1] - s.layers[0] for s in sources if s.layers}
    if len(counts) > 1:
        raise node.error(f"expected the same number of layers from every source, found {sorted(counts)}")
    base = values.get("base_model")
    return OutputSlice(sources, base.text() if base else None, _read_parameters(values), node.where)


def _read_input(node: YamlNode, *, ranged: bool) -> InputSlice:
    values = node.mapping(("model", "layer_range", "parameters"), required=("model",))
    model = values["model"].text()
    if not ranged:
        if "layer_range" in values:
            raise values["layer_range"].error("layer_range belongs under slices: sources:, not under models:")
        return InputSlice(model, None, _read_parameters(values))
    if "layer_range" not in values:
        raise node.error("expected layer_range: [FIRST, BEYOND_LAST], found none")
    ends = [item.integer() for item in values["layer_range"].items()]
    if len(ends) != 2 or not 0 <= ends[0] < ends[1]:
        raise values["layer_range"].error(f"expected two rising numbers from 0, found {ends}")
    return InputSlice(model, (ends[0], ends[1]), _read_parameters(values))


def _read_parameters(values: Mapping[str, YamlNode]) -> Settings:
    if "parameters" not in values:
        return {}
    return {name: _read_setting(node) for name, node in values["parameters"].mapping().items()}


def _read_setting(node: YamlNode) -> Setting:
    """Read a scalar, a list of scalars (a gradient), or one or several of {filter, value}."""
    if isinstance(node.value, dict):
        return Setting((_read_filtered_value(node),), node.where)
    if not isinstance(node.value, list):
        return Setting(((None, (node.scalar(),)),), node.where)
    items = node.items()
    if any(isinstance(item.value, dict) for item in items):
        return Setting(tuple(_read_filtered_value(item) for item in items), node.where)
    return Setting(((None, tuple(item.scalar() for item in items)),), node.where)


def _read_filtered_value(node: YamlNode) -> tuple[str | None, tuple[bool | int | float | str, ...]]:
    values = node.mapping(("filter", "value"))
    if "value" not in values:
        raise node.error("expected value (and perhaps filter), found none")
    value, pattern = values["value"], values.get("filter")
    scalars = [item.scalar() for item in value.items()] if isinstance(value.value, list) else [value.scalar()]
    return (None if pattern is None else str(pattern.scalar())), tuple(scalars)


def _read_tokenizer(values: Mapping[str, YamlNode]) -> TokenizerConfig | None:
    if "tokenizer_source" in values and "tokenizer" in values:
        raise values["tokenizer"].error("expected tokenizer_source or tokenizer, not both")
    if "tokenizer_source" in values:
        return TokenizerConfig(values["tokenizer_source"].text(), 1, {})
    if "tokenizer" not in values:
        return None
    inner = values["tokenizer"].mapping(("source", "pad_to_multiple_of", "tokens"))
    multiple = inner["pad_to_multiple_of"].integer() if "pad_to_multiple_of" in inner else 1
    if multiple < 1:
        raise inner["pad_to_multiple_of"].error(f"expected 1 or more, found {multiple}")
    tokens = inner["tokens"].mapping() if "tokens" in inner else {}
    source = inner["source"].text() if "source" in inner else "union"
    return TokenizerConfig(
        source, multiple, {name: _read_token_source(node) for name, node in tokens.items()}
    )


def _read_chat_template(node: YamlNode) -> str:
    text = node.text()
    if text == AUTO or text in TEMPLATES:
        return TEMPLATES.get(text, AUTO)
    if len(text) < MIN_TEMPLATE_LENGTH or "{" not in text:
        raise node.error(f"expected {AUTO}, {', '.join(TEMPLATES)} or a Jinja template, found {text!r}")
    return text


def _read_token_source(node: YamlNode) -> TokenEmbeddingSource:
    values = node.mapping(("source", "force"))
    force = "force" in values and str(values["force"].scalar()).lower() in {"true", "yes", "on"}
    source = values.get("source")
    if source is None:
        return TokenEmbeddingSource(None, None, force)
    if isinstance(source.value, str):
        return TokenEmbeddingSource(source.text(), None, force)
    inner = source.mapping(("kind", "model", "token", "token_id"))
    kind = inner["kind"].choice(("zero", "model_token")) if "kind" in inner else "model_token"
    if kind == "zero":
        return TokenEmbeddingSource(None, None, force)
    if "model" not in inner or ("token" in inner) == ("token_id" in inner):
        raise source.error("expected model and one of token and token_id")
    token = inner["token"].text() if "token" in inner else inner["token_id"].integer()
    return TokenEmbeddingSource(inner["model"].text(), token, force)
