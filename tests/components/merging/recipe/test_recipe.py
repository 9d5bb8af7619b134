"""mergekit's recipes: what is read, and which line is named when it cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import AntiphonError, MergeError
from components.merging.methods.validation import check_method
from components.merging.recipe.parameters import Parameter, resolve_parameter
from components.merging.recipe.reader import parse_recipe

NUMBER = Parameter(float, None, "a number", per_model=True)
MODELS = "models: [{model: a}, {model: b}]\n"


def value(text: str, tensor: str, depth: float, name: str = "t") -> object:
    read = parse_recipe(f"merge_method: slerp\n{MODELS}parameters:\n  {name}: {text}\n")
    return resolve_parameter(name, NUMBER, (read.parameters,), tensor, depth)


@pytest.mark.parametrize(
    ("text", "tensor", "depth", "expected"),
    [
        ("0.3", "x", 0.5, 0.3),
        ("1e-3", "x", 0.5, 0.001),
        ("'1e-3'", "x", 0.5, 0.001),
        ("[0, 1]", "x", 0.25, 0.25),
        ("[0, 0.5, 0.3, 0.7, 1]", "x", 0.0, 0.0),
        ("[0, 0.5, 0.3, 0.7, 1]", "x", 1 / 3, 0.5 + (0.3 - 0.5) / 3),
        ("[0, 0.5, 0.3, 0.7, 1]", "x", 1.0, 1.0),
        ("[{filter: mlp, value: 2}, {filter: attn, value: [0, 4]}, {value: 9}]", "l.attn.q", 0.5, 2.0),
        ("[{filter: mlp, value: 2}, {value: 9}]", "norm", 0.5, 9.0),
        ("[{filter: '*', value: 7}, {filter: mlp, value: 2}]", "mlp", 0.5, 7.0),
        ("{filter: mlp, value: 2}", "mlp", 0.5, 2.0),
    ],
)
def test_scalars_gradients_and_filters(text: str, tensor: str, depth: float, expected: float) -> None:
    assert value(text, tensor, depth) == pytest.approx(expected)


def test_booleans_are_steps() -> None:
    read = parse_recipe(f"merge_method: linear\n{MODELS}parameters: {{normalize: [yes, no]}}\n")
    kind = Parameter(bool, True, "")
    values = [
        resolve_parameter("normalize", kind, (read.parameters,), "x", depth) for depth in (0.0, 0.9, 1.0)
    ]
    assert values == [True, True, False]


def test_the_most_specific_scope_that_has_a_value_wins() -> None:
    text = """
merge_method: linear
slices:
  - sources:
      - {model: a, layer_range: [0, 2], parameters: {weight: [{filter: mlp, value: 1}]}}
      - {model: b, layer_range: [0, 2]}
    parameters: {weight: 2}
parameters: {weight: 3}
"""
    read = parse_recipe(text)
    (output_slice,) = read.modules[""].slices
    scopes = (output_slice.inputs[0].parameters, output_slice.parameters, read.parameters)
    assert resolve_parameter("weight", NUMBER, scopes, "mlp", 0) == 1
    assert resolve_parameter("weight", NUMBER, scopes, "attn", 0) == 2
    assert resolve_parameter("weight", NUMBER, scopes[2:], "attn", 0) == 3
    with pytest.raises(MergeError, match="expected parameter weight"):
        resolve_parameter("weight", NUMBER, (), "attn", 0)


def test_everything_of_a_recipe() -> None:
    read = parse_recipe(
        """
merge_method: ties
base_model: packaged:x
dtype: bfloat16
out_dtype: float16
models:
  - model: org/name@main
  - model: {model: {path: ./local}}
    parameters: {weight: 0.5}
tokenizer:
  source: union
  pad_to_multiple_of: 64
  tokens:
    <a>: {source: {kind: model_token, model: ./local, token_id: 7}, force: true}
    <b>: {source: ./local}
    <c>: {force: true}
chat_template: auto
"""
    )
    assert read.models == ("packaged:x", "org/name@main", "./local")
    assert (read.dtype, read.out_dtype, read.base_model) == ("bfloat16", "float16", "packaged:x")
    assert (read.tokenizer.source, read.tokenizer.pad_to_multiple_of) == ("union", 64)
    assert read.tokenizer.tokens["<a>"] == ("./local", 7, True)
    assert read.tokenizer.tokens["<b>"] == ("./local", None, False)
    assert read.tokenizer.tokens["<c>"] == (None, None, True)


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("merge_method: linear\n", None, "exactly one of models, slices and modules"),
        ("merge_method: linear\nmodels: []\n", 2, "a list with items"),
        (f"{MODELS}merge_metod: linear\n", 2, "did you mean merge_method"),
        (f"{MODELS}dtype: float31\nmerge_method: linear\n", 2, "one of float32"),
        ("merge_method: linear\nmodels:\n  - model: a\n  - modell: b\n", 4, "did you mean model"),
        ("merge_method: linear\nmodels:\n  - model: a\n    layer_range: [0, 1]\n", 4, "belongs under slices"),
        ("slices:\n  - sources:\n      - {model: a, layer_range: [3, 1]}\n", 3, "two rising numbers"),
        (
            "slices:\n  - sources:\n      - {model: a, layer_range: [0, 2]}\n"
            "      - {model: b, layer_range: [0, 3]}\n",
            2,
            "the same number of layers",
        ),
        (
            "merge_method: linear\nmodels:\n  - model: a\n    parameters:\n      weight: {filter: x}\n",
            5,
            "value",
        ),
        ("merge_method: cat\nadapters:\n  - parameters: {}\n", 3, "expected adapter"),
        ("merge_method: cat\nadapters:\n  - {adapter: a, weight: 1}\n", 3, "expected adapter and parameters"),
        ("merge_method: linear\nmodels:\n  - model: a\n  model: b\n", 4, "YAML"),
        (f"{MODELS}merge_method: linear\nparameters: 3\n", 3, "a mapping"),
        (MODELS, None, "expected merge_method, found none"),
        ("merge_method: linear\nmodules:\n  encoder: {parameters: {}}\n", 3, "either models or slices"),
        ("slices:\n  - {base_model: a}\n", 2, "expected sources"),
        ("slices:\n  - {sources: [], residual_weight: 1}\n", 2, "leave it out"),
        ("slices:\n  - sources:\n      - {model: a}\n", 3, "expected layer_range"),
        ("models:\n  - {parameters: {}}\n", 2, "expected model, found none"),
        ("models:\n  - {model: 3}\n", 2, "expected text, found 3"),
        (f"{MODELS}merge_method: linear\ntokenizer_source: union\ntokenizer: {{}}\n", 4, "not both"),
        (f"{MODELS}merge_method: linear\ntokenizer: {{pad_to_multiple_of: 0}}\n", 3, "1 or more"),
        (f"{MODELS}merge_method: linear\ntokenizer: {{pad_to_multiple_of: x}}\n", 3, "a whole number"),
        (
            f"{MODELS}merge_method: linear\ntokenizer: {{tokens: {{x: {{source: {{kind: zero_}}}}}}}}\n",
            3,
            "one of zero, model_token",
        ),
        (
            f"{MODELS}merge_method: linear\ntokenizer: {{tokens: {{x: {{force: [1]}}}}}}\n",
            3,
            "expected a number, true, false or text, found a list of 1",
        ),
        ("merge_method: linear\nmodels:\n  - model: a\n  -\n", 4, "expected a mapping, found nothing"),
        (
            f"{MODELS}merge_method: linear\ntokenizer: {{tokens: {{x: {{source: {{model: a}}}}}}}}\n",
            3,
            "model and one of token and token_id",
        ),
    ],
)
def test_faults_name_the_line(text: str, line: int | None, expected: str) -> None:
    with pytest.raises(AntiphonError) as caught:
        parse_recipe(text, "r.yml")
    message = str(caught.value)
    assert expected in message and "\n" not in message
    assert message.startswith(f"r.yml:{line}: " if line else "r.yml")


@pytest.mark.parametrize(
    ("method", "parameters", "message"),
    [
        ("tiess", "{}", "did you mean ties"),
        (
            "linear",
            "{wieght: 1}",
            "r.yml:3: parameters.wieght: linear has no such parameter; did you mean weight",
        ),
        ("linear", "{weight: heavy}", "expected a number, found 'heavy'"),
        ("linear", "{weight: true}", "expected a number, found True"),
        ("linear", "{weight: .nan}", "r.yml:3: parameters.weight: expected a finite number, found nan"),
        (
            "ties",
            "{density: [0.5, 1.4]}",
            "r.yml:3: parameters.density: expected a number from 0 to 1, found 1.4",
        ),
        ("karcher", "{max_iter: 0}", "expected a number of 1 or more, found 0"),
        ("linear", "{normalize: 2}", "expected true or false"),
        ("ties", "{semantics: book}", "expected one of mergekit, paper, peft"),
    ],
)
def test_methods_and_parameters(method: str, parameters: str, message: str) -> None:
    read = parse_recipe(f"merge_method: {method}\n{MODELS}parameters: {parameters}\n", "r.yml")
    with pytest.raises(MergeError) as caught:
        check_method(read)
    assert message in str(caught.value)


def test_what_mergekit_reads_past_is_a_warning(tmp_path: Path) -> None:
    read = parse_recipe(
        f"nickname: mine\nmerge_method: linear\n{MODELS}parameters: {{int8_mask: true}}\n", "r.yml"
    )
    assert read.warnings == ("r.yml:1: nickname: no such key; it is ignored",)
    assert check_method(read) == [
        "r.yml:4: parameters.int8_mask: linear has no parameter int8_mask; it is ignored"
    ]
