"""Every method on vectors that were computed by hand."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from components.errors import MergeError
from components.merging.methods.table import METHODS
from tests.components.merging.model_folders import flat, folder, merged, recipe

pytestmark = pytest.mark.core


def values(text: str, tmp_path: Path) -> list[float]:
    return merged(text, tmp_path / "out")["w"].tolist()


def test_linear_divides_by_the_weights(tmp_path: Path) -> None:
    a, b = flat(tmp_path / "a", 1, 2), flat(tmp_path / "b", 5, -2)
    text = recipe("linear", None, (a, "{weight: 3}"), (b, "{weight: 1}"))
    assert values(text, tmp_path) == [2.0, 1.0]


def test_slerp_of_right_angles(tmp_path: Path) -> None:
    """cos = 0: a third of the way is cos 30° and sin 30° of the two."""
    a, b = flat(tmp_path / "a", 1, 0), flat(tmp_path / "b", 0, 3)
    text = recipe("slerp", a, (a, "{}"), (b, "{}"), parameters=f"{{t: {1 / 3}}}")
    assert values(text, tmp_path) == pytest.approx([math.sqrt(3) / 2, 1.5], abs=1e-6)


@pytest.mark.parametrize(
    ("other", "expected"),
    [((2.0, 2.0), [1.25, 1.25]), ((-1.0, -1.0), [0.5, 0.5]), ((0.0, 0.0), [0.7071068, 0.7071068])],
)
def test_slerp_where_there_is_no_circle(
    tmp_path: Path, other: tuple[float, float], expected: list[float]
) -> None:
    """Parallel and antipodal: linear. A zero vector has no direction: the product is 0, a right angle."""
    a, b = flat(tmp_path / "a", 1, 1), flat(tmp_path / "b", *other)
    t = 0.5 if other == (0.0, 0.0) else 0.25
    assert values(recipe("slerp", a, (a, "{}"), (b, "{}"), parameters=f"{{t: {t}}}"), tmp_path) == (
        pytest.approx(expected, abs=1e-6)
    )


def test_nuslerp_by_rows_and_columns(tmp_path: Path) -> None:
    """Rows at right angles; the columns of the same matrices are parallel or antipodal."""
    a = folder(tmp_path / "a", {"w": torch.tensor([[1.0, 0.0], [0.0, 2.0]])})
    b = folder(tmp_path / "b", {"w": torch.tensor([[0.0, 1.0], [4.0, 0.0]])})
    weights = (a, "{weight: 1}"), (b, "{weight: 1}")
    half = math.sqrt(0.5)
    rows = merged(recipe("nuslerp", None, *weights, parameters="{nuslerp_flatten: false}"), tmp_path / "r")
    torch.testing.assert_close(rows["w"], torch.tensor([[half, half], [4 * half, 2 * half]]))
    both = "{nuslerp_flatten: false, nuslerp_row_wise: true}"
    columns = merged(recipe("nuslerp", None, *weights, parameters=both), tmp_path / "c")
    torch.testing.assert_close(columns["w"], torch.tensor([[half, half], [4 * half, 2 * half]]))
    draw = torch.Generator().manual_seed(0)
    one, two = torch.randn(2, 3, 5, generator=draw).unbind()
    mixed = []
    for name, turn in (("rows", False), ("columns", True)):
        parts = [
            folder(tmp_path / f"{name}{n}", {"w": w.T.contiguous() if turn else w})
            for n, w in ((1, one), (2, two))
        ]
        weights = (parts[0], "{weight: 1}"), (parts[1], "{weight: 2}")
        both = f"{{nuslerp_flatten: false, nuslerp_row_wise: {str(turn).lower()}}}"
        mixed.append(merged(recipe("nuslerp", None, *weights, parameters=both), tmp_path / name)["w"])
    torch.testing.assert_close(mixed[0], mixed[1].T)


def test_task_arithmetic_adds_and_negates(tmp_path: Path) -> None:
    base, a, b = flat(tmp_path / "0", 1, 1), flat(tmp_path / "a", 2, 1), flat(tmp_path / "b", 1, 4)
    pairs = (a, "{weight: 1}"), (b, "{weight: -0.5}")
    text = recipe("task_arithmetic", base, *pairs, parameters="{lambda: 2}")
    assert values(text, tmp_path) == [3.0, -2.0]


BASE = (0.0, 0.0, 0.0, 0.0)
FIRST = (3.0, -1.0, 0.5, 4.0)
SECOND = (-2.0, -5.0, 6.0, 0.1)
HALF = "{weight: 0.5, density: 0.5}"


@pytest.mark.parametrize(
    ("semantics", "weights", "expected"),
    [
        # Trimmed to two each: (3, 0, 0, 4) and (0, -5, 6, 0); all signs are clear; a mean of one.
        ("mergekit", (HALF, HALF), [3.0, -5.0, 6.0, 4.0]),
        # PEFT weighs, then divides by the count.
        ("peft", (HALF, HALF), [1.5, -2.5, 3.0, 2.0]),
        ("paper", ("{weight: 1, density: 0.5}",) * 2, [3.0, -5.0, 6.0, 4.0]),
    ],
)
def test_ties_keeps_the_largest(
    tmp_path: Path, semantics: str, weights: tuple[str, str], expected: list[float]
) -> None:
    base = flat(tmp_path / "0", *BASE)
    a, b = flat(tmp_path / "a", *FIRST), flat(tmp_path / "b", *SECOND)
    pairs = (a, weights[0]), (b, weights[1])
    text = recipe("ties", base, *pairs, parameters=f"{{semantics: {semantics}}}")
    assert values(text, tmp_path) == expected


def test_ties_elects_by_weight_and_leaves_out_who_disagrees(tmp_path: Path) -> None:
    """Second element: 0.9 * -1 against 0.1 * 5: minus wins, and only the first model's -1 counts."""
    base = flat(tmp_path / "0", 0, 0)
    a, b = flat(tmp_path / "a", 2, -1), flat(tmp_path / "b", 4, 5)
    pairs = (a, "{weight: 0.75}"), (b, "{weight: 0.125}")
    out = values(recipe("ties", base, *pairs), tmp_path)
    assert out == pytest.approx([(0.75 * 2 + 0.125 * 4) / 0.875, -1.0])
    unweighted = merged(recipe("ties", base, *pairs, parameters="{semantics: peft}"), tmp_path / "peft")
    assert unweighted["w"].tolist() == pytest.approx([(1.5 + 0.5) / 2, 0.625])


def test_a_tie_of_signs(tmp_path: Path) -> None:
    """+1 and -1: mergekit takes +, the paper what most of the model elects (here -)."""
    base = flat(tmp_path / "0", 0, 0, 0)
    a, b = flat(tmp_path / "a", 1, -3, -2), flat(tmp_path / "b", -1, -3, -2)
    pairs = (a, "{weight: 1}"), (b, "{weight: 1}")
    assert values(recipe("ties", base, *pairs), tmp_path) == [1.0, -3.0, -2.0]
    paper = merged(recipe("ties", base, *pairs, parameters="{semantics: paper}"), tmp_path / "paper")
    assert paper["w"].tolist() == [-1.0, -3.0, -2.0]


def test_the_paper_trims_whole_models(tmp_path: Path) -> None:
    """Half of all six elements: three of the first tensor, none of the second; mergekit: half of each."""
    zero = {"big": torch.zeros(3), "small": torch.zeros(3)}
    single_scale = {"big": torch.tensor([5.0, -6.0, 7.0]), "small": torch.tensor([1.0, 2.0, 3.0])}
    base, a = folder(tmp_path / "0", zero), folder(tmp_path / "a", single_scale)
    pair = (a, "{weight: 1, density: 0.5}")
    paper = merged(recipe("ties", base, pair, parameters="{semantics: paper}"), tmp_path / "paper")
    assert (paper["big"].tolist(), paper["small"].tolist()) == ([5.0, -6.0, 7.0], [0.0, 0.0, 0.0])
    mergekit = merged(recipe("ties", base, pair), tmp_path / "mergekit")
    assert (mergekit["big"].tolist(), mergekit["small"].tolist()) == ([0.0, 0.0, 7.0], [0.0, 0.0, 3.0])


def test_breadcrumbs_drops_both_ends(tmp_path: Path) -> None:
    base, a = flat(tmp_path / "0", *[0] * 5), flat(tmp_path / "a", 9, -1, 2, -3, 0.5)
    text = recipe("breadcrumbs", base, (a, "{weight: 1, density: 0.4, gamma: 0.2}"))
    assert values(text, tmp_path) == [0.0, 0.0, 2.0, -3.0, 0.0]


@pytest.mark.parametrize("method", ["dare_linear", "dare_ties", "della", "della_linear"])
@pytest.mark.parametrize("semantics", ["mergekit", "paper"])
def test_random_methods_keep_the_expectation(tmp_path: Path, method: str, semantics: str) -> None:
    """What stays is scaled: by a common factor (L1), or by 1 / P(stay), whose mean is the delta."""
    ones = torch.linspace(0.5, 1.5, 40_000).view(4, -1)
    base, a = folder(tmp_path / "0", {"w": ones * 0}), folder(tmp_path / "a", {"w": ones})
    pair = (a, "{weight: 1, density: 0.6, epsilon: 0.2}")
    text = recipe(method, base, pair, parameters=f"{{semantics: {semantics}, normalize: false}}")
    out = merged(text, tmp_path / "out")["w"]
    stayed = out != 0
    assert stayed.float().mean().item() == pytest.approx(0.6, abs=0.01)
    assert out.sum().item() == pytest.approx(ones.sum().item(), rel=1e-5 if semantics == "mergekit" else 0.02)
    scale = (out / ones)[stayed]
    if semantics == "mergekit":
        assert scale.std().item() < 1e-5
    elif method.startswith("dare"):
        torch.testing.assert_close(scale, torch.full_like(scale, 1 / 0.6))
    else:  # the larger an element, the likelier it stays: P from 0.4 to 0.8 along each row
        ladder = torch.linspace(0.4, 0.8, out.shape[1]).expand_as(out)
        torch.testing.assert_close(scale, 1 / ladder[stayed], rtol=1e-4, atol=0)
        shares = stayed.float().view(4, 4, -1).mean((0, 2))
        torch.testing.assert_close(shares, torch.tensor([0.45, 0.55, 0.65, 0.75]), rtol=0, atol=0.02)


@pytest.mark.parametrize("density", [0.0, 1.0])
@pytest.mark.parametrize("method", [m for m, row in METHODS.items() if row.family])
def test_nothing_and_everything(tmp_path: Path, method: str, density: float) -> None:
    base, a = flat(tmp_path / "0", 1, 1), flat(tmp_path / "a", 3, -4)
    text = recipe(method, base, (a, f"{{weight: 1, density: {density}}}"))
    trimmed = density == 0 and method != "task_arithmetic"
    assert values(text, tmp_path) == ([1.0, 1.0] if trimmed else [3.0, -4.0])


def test_storage_type_as_in_mergekit(tmp_path: Path) -> None:
    """bfloat16 deltas: the weight 0.6 is 0.6015625, the product and the sum are rounded."""
    half = torch.bfloat16
    base, a = flat(tmp_path / "0", 1.0, dtype=half), flat(tmp_path / "a", 3.0, dtype=half)
    out = values(recipe("task_arithmetic", base, (a, "{weight: 0.6}")), tmp_path)
    assert out == [torch.tensor(1 + 2 * 0.6015625).to(half).item()]


def test_two_narrow_deltas_are_rounded_once(tmp_path: Path) -> None:
    """Added in their own type or, with a third that is nothing, in float32: the same bits."""
    draw = torch.Generator().manual_seed(0)
    base, a, b = (
        flat(tmp_path / name, *torch.randn(500, generator=draw).tolist(), dtype=torch.bfloat16)
        for name in ("0", "a", "b")
    )
    models = [(a, "{weight: 0.6}"), (b, "{weight: -0.7}")]
    two = merged(recipe("task_arithmetic", base, *models), tmp_path / "two")["w"]
    three = recipe("task_arithmetic", base, *models, (base, "{weight: 0.3}"))
    assert torch.equal(two, merged(three, tmp_path / "three")["w"])


def test_every_row_says_what_it_does() -> None:
    for row in METHODS.values():
        assert all((row.paper, row.formula, row.trim, row.sign, row.denominator))
        assert row.url.startswith("https://")


@pytest.mark.parametrize(
    ("method", "parameters", "message"),
    [
        ("slerp", "{t: 0.5}", "exactly 1"),
        ("nuslerp", "{weight: 1}", "exactly 2"),
        ("passthrough", "{}", "exactly 1"),
        ("ties", "{weight: 1}", "base_model"),
    ],
)
def test_wrong_numbers_of_models(tmp_path: Path, method: str, parameters: str, message: str) -> None:
    models = [flat(tmp_path / name, 1, 2) for name in "abc"]
    base = models[0] if method == "slerp" else None
    with pytest.raises(MergeError, match=message):
        merged(recipe(method, base, *((m, "{}") for m in models), parameters=parameters), tmp_path / "out")


@pytest.mark.parametrize(
    ("parameters", "last", "message"),
    [
        ("{weight: 0.5, density: 0.5}", torch.float32, "expected weight 1 for every model, found 0.5"),
        ("{weight: 1, density: [{filter: v, value: 0.5}, {value: 0.4}]}", torch.float32, "found 0.5 and 0.4"),
        ("{weight: 1}", torch.float16, "expected one type, found float16, float32"),
    ],
)
def test_the_paper_has_one_weight_density_and_type(
    tmp_path: Path, parameters: str, last: torch.dtype, message: str
) -> None:
    tensors = {"v": torch.ones(4), "w": torch.ones(4, dtype=last)}
    base, a = folder(tmp_path / "0", tensors), folder(tmp_path / "a", {n: 2 * t for n, t in tensors.items()})
    text = recipe("ties", base, (a, parameters), parameters="{semantics: paper}")
    with pytest.raises(MergeError, match=message):
        merged(text, tmp_path / "out")


def test_three_deltas_add_up_as_two(tmp_path: Path) -> None:
    base = flat(tmp_path / "0", 1, 1)
    models = [
        (flat(tmp_path / name, 2, value), "{weight: 0.5}")
        for name, value in zip("abc", (2, 3, 5), strict=True)
    ]
    assert values(recipe("task_arithmetic", base, *models), tmp_path) == [2.5, 4.5]


def test_weights_that_cancel_cannot_be_normalized(tmp_path: Path) -> None:
    a, b = flat(tmp_path / "a", 1), flat(tmp_path / "b", 2)
    with pytest.raises(MergeError, match="expected weights with a sum"):
        merged(recipe("linear", None, (a, "{weight: 1}"), (b, "{weight: -1}")), tmp_path / "out")


def test_probabilities_of_della_stay_between_0_and_1(tmp_path: Path) -> None:
    base, a = flat(tmp_path / "0", 1), flat(tmp_path / "a", 3)
    text = recipe("della", base, (a, "{weight: 1, density: 0.9, epsilon: 0.2}"))
    with pytest.raises(MergeError, match=r"density ± epsilon between 0 and 1, found 0\.9 ± 0\.2"):
        merged(text, tmp_path / "out")


@pytest.mark.parametrize("density", ["1.5", "-0.1"])
def test_density_out_of_range(tmp_path: Path, density: str) -> None:
    base, a = flat(tmp_path / "0", 1), flat(tmp_path / "a", 3)
    with pytest.raises(MergeError, match=r"density: expected a number from 0 to 1, found"):
        merged(recipe("ties", base, (a, f"{{weight: 1, density: {density}}}")), tmp_path / "out")


@pytest.mark.parametrize("parameters", ["{}", "{filter_wise: true}"])
def test_model_stock_of_deltas_that_cancel_is_the_base(tmp_path: Path, parameters: str) -> None:
    """Of one element two models have a cosine of -1 where they went opposite ways: t is -2 / 0."""
    base = flat(tmp_path / "base", 1.0)
    models = [(flat(tmp_path / str(value), value), "{}") for value in (1.25, 0.75)]
    text = recipe("model_stock", base, *models, parameters=parameters)
    assert merged(text, tmp_path / "out")["w"].tolist() == [1.0]


def test_values_beyond_the_type_that_is_written_are_refused(tmp_path: Path) -> None:
    models = [(flat(tmp_path / name, 1e5, 1.0), "{weight: 1}") for name in "ab"]
    text = recipe("linear", None, *models) + "\nout_dtype: float16"
    with pytest.raises(MergeError, match="tensor w: expected finite values in float16, found 1 of 2"):
        merged(text, tmp_path / "out")
    assert not (tmp_path / "out").exists()
