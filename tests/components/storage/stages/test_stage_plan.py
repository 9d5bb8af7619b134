from __future__ import annotations

import pytest
import torch

from components.compute.device import use_threads
from components.files.canonical_json import digest_of, encode_canonical
from components.kernels.llvm import native_code
from components.models.weight_digests import digest_weights
from components.records import Checkpoint
from components.run_record import StageRef
from components.storage.stages.stage_plan import StagePlan, library_versions, upstream_of

PLAN = StagePlan(
    stage="mt",
    version="translation/1",
    parameters={"beam_size": 5, "model": "x"},
    upstream={"asr": "k:s"},
    inputs={"data": "d"},
    weights={"model": "m"},
    seed=1,
    shards="a" * 64,
    libraries={"torch": "2"},
)


@pytest.mark.parametrize("field", sorted(StagePlan.model_fields.keys() - {"stage", "models", "alike"}))
def test_every_field_is_in_the_key(field: str) -> None:
    old = getattr(PLAN, field)
    new = {**old, "more": "x"} if isinstance(old, dict) else f"{old}x" if isinstance(old, str) else old + 1
    assert PLAN.model_copy(update={field: new}).key != PLAN.key


def test_the_fingerprint_says_all_but_which_shards_there_are() -> None:
    assert PLAN.with_shards(["x"]).fingerprint == PLAN.with_shards(["y"]).fingerprint == PLAN.fingerprint
    assert PLAN.with_shards(["x"]).key != PLAN.with_shards(["y"]).key
    assert PLAN.model_copy(update={"seed": 2}).fingerprint != PLAN.fingerprint


def test_a_model_by_another_name_is_the_same_stage() -> None:
    assert PLAN.model_copy(update={"models": {"model": "hub:other"}}).key == PLAN.key


def test_the_order_of_parameters_is_not() -> None:
    turned = PLAN.model_copy(update={"parameters": {"model": "x", "beam_size": 5}})
    assert turned.key == PLAN.key


def test_the_key_is_stable_over_time() -> None:
    """Stores outlive processes: a change here makes every stored stage unreachable. Computed by hand."""
    assert encode_canonical({"b": 1.5, "a": ["ä", None]}) == b'{"a":["\\u00e4",null],"b":1.5}'
    assert digest_of({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


@pytest.mark.parametrize(
    ("variable", "value"),
    [("ANTIPHON_KERNELS", "onednn"), ("ANTIPHON_KERNELS", "plain"), ("MKL_CBWR", "AVX2")],
)
def test_what_of_the_machine_changes_bytes_changes_the_key(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def key(*libraries: str, **parameters: object) -> str:
        return StagePlan(
            stage="asr", version="1", libraries=dict.fromkeys(libraries, "2"), parameters=parameters
        ).key

    monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(native_code, "features", lambda: frozenset({"avx512f", "avx512bw"}))
    monkeypatch.setattr(native_code, "openmp", lambda: print)
    before, scored, trained = key("torch"), key("sacrebleu"), key("torch", threads=1)
    with use_threads(torch.get_num_threads() + 1):
        assert key("torch") != before
        assert key("torch", threads=1) == trained  # it says itself on how many it computes
    monkeypatch.setenv(variable, value)
    assert key("torch") != before
    monkeypatch.delenv(variable)
    assert key("torch") == before
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "another")
    assert key("torch") != before
    assert key("sacrebleu") == scored  # without torch none of it matters


def test_what_is_beneath_a_library_is_in_the_key() -> None:
    named = library_versions(["transformers", "openai-whisper", "faster-whisper"])
    assert {"tokenizers", "tiktoken", "ctranslate2"} < named.keys()
    assert library_versions(named) == named


def test_not_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        encode_canonical(float("nan"))


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
    assert upstream_of(ref) == {"asr": f"k:{sha}"}
    assert upstream_of(ref.model_copy(update={"content": "1" * 64})) == {"asr": "1" * 64}
    checkpoint = Checkpoint(reference="r", path="p", sha256=sha, architecture="x", tokenizer_sha256="1" * 64)
    assert digest_weights(model=checkpoint) == {"model": sha, "model.tokenizer": "1" * 64}
    assert library_versions(["pydantic", "no-such-library"])["no-such-library"] == "absent"
