from __future__ import annotations

import pytest

from components.canonical import canonical, digest
from components.records import Checkpoint, StageRef
from tasks.keys import StagePlan, library_versions, read_by, weights_of

PLAN = StagePlan(
    stage="mt",
    version="translation/1",
    parameters={"beam_size": 5, "model": "x"},
    upstream={"asr": "k:s"},
    inputs={"data": "d"},
    weights={"model": "m"},
    seed=1,
    shard_size=64,
    libraries={"torch": "2"},
)


@pytest.mark.parametrize("field", [name for name in StagePlan.model_fields if name != "stage"])
def test_every_field_is_in_the_key(field: str) -> None:
    old = getattr(PLAN, field)
    new = {**old, "more": "x"} if isinstance(old, dict) else f"{old}x" if isinstance(old, str) else old + 1
    assert PLAN.model_copy(update={field: new}).key != PLAN.key


def test_the_order_of_parameters_is_not() -> None:
    turned = PLAN.model_copy(update={"parameters": {"model": "x", "beam_size": 5}})
    assert turned.key == PLAN.key


def test_the_key_is_stable_over_time() -> None:
    """Stores outlive processes: a change here makes every stored stage unreachable. Computed by hand."""
    assert canonical({"b": 1.5, "a": ["ä", None]}) == b'{"a":["\\u00e4",null],"b":1.5}'
    assert digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def test_not_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical(float("nan"))


def test_what_is_read_and_which_weights() -> None:
    sha = "0" * 64
    ref = StageRef(
        stage="asr",
        key="k",
        path="p",
        items=1,
        quarantined=0,
        sha256=sha,
        seconds=0,
        peak_memory_bytes=0,
        reused=False,
    )
    assert read_by(ref) == {"asr": f"k:{sha}"}
    checkpoint = Checkpoint(reference="r", path="p", sha256=sha, architecture="x", tokenizer_sha256="1" * 64)
    assert weights_of(model=checkpoint) == {"model": sha, "model.tokenizer": "1" * 64}
    assert library_versions(["pydantic", "no-such-library"])["no-such-library"] == "absent"
