"""Whole runs with served models: asked once, resumed, keyed by what the server is, and no key anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.analysis.run_outputs import cost_of
from components.errors import ConfigError, TransientError
from components.nodes.kind import KINDS
from components.nodes.node_context import NodeContext
from components.storage.stages.reader import read_best_texts, read_quarantined
from components.storage.store import Store
from components.translation.kinds.translate import TranslateSettings
from tasks import endpoint_blocks
from tests.command import run_command
from tests.flows.test_own_code import run, stages
from tests.manifests import write_rows
from tests.openai_server import KEY, OpenAIServer, on

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("server")]
NODES: dict[str, dict[str, Any]] = {
    "mt": {"kind": "translate", "of": "data", "model": "served:echo"},
    "final": {
        "kind": "refine",
        "of": "mt",
        "model": "served:echo",
        "rounds": 1,
        "gate": "off",
        "feedback": False,
    },
    "judged": {"kind": "score_texts", "of": "final", "metric": "gemba:served:echo"},
}


def answer(text: str) -> str:
    if text.endswith("Corrected:"):
        return text.splitlines()[-2].removeprefix("Draft: ")
    return text.upper()


@pytest.fixture
def folder(tmp_path: Path, endpoint: OpenAIServer) -> Path:
    """A folder with a data set."""
    endpoint.answer = lambda text: "70" if text in {t.upper() for t in TEXTS} else answer(text)
    rows = [{"id": f"u{n}", "text": text, "references": [text.upper()]} for n, text in enumerate(TEXTS)]
    write_rows(tmp_path / "data.jsonl", rows)
    return tmp_path


TEXTS = ["a cat", "a poison", "dogs", *(f"text {n}" for n in range(40))]


def test_a_run_is_asked_once_costs_what_the_table_says_and_keeps_no_key(
    folder: Path, endpoint: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint.faults = [on("a poison", lambda h: h.fail(400, f"refused with {KEY}"))]
    record = run(folder, NODES)
    assert record.status == "completed with quarantine"
    refs = stages(record)
    assert read_best_texts(refs["final-1"])["u0"] == "A CAT"
    (refused,) = read_quarantined(refs["mt"])
    assert (refused.utterance_id, refused.reason) == ("u1", "refused by the server")
    assert record.metrics["bleu"].n == len(TEXTS) - 1
    written = [path for path in folder.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
    assert not written

    asked = len(endpoint.requests)
    again = stages(run(folder, NODES))
    assert all(ref.reused for name, ref in again.items() if name != "report")
    assert len(endpoint.requests) == asked

    (folder / "prices.yaml").write_text("echo: {input_tokens: 100.0}\n")
    store = Store(str(folder / "store"))
    assert cost_of(record, store).served_price is None
    monkeypatch.setenv("ANTIPHON_SERVED_PRICES", str(folder / "prices.yaml"))
    cost = cost_of(record, store)
    assert cost.served_price == pytest.approx(2 * (len(TEXTS) - 1) * 10 * 100 / 1e6)  # the judge is no part
    assert cost.price_of_million_characters is not None

    kind, settings = KINDS["translate"], TranslateSettings(model="served:echo")
    before = kind.digests(settings, NodeContext("mt"))
    endpoint.fingerprint = "fp_2"  # other weights: nothing of the old ones is reused
    assert before != kind.digests(settings, NodeContext("mt")) == {"model.fingerprint": "fp_2"}


def test_a_server_that_goes_away_ends_the_run_in_one_line_and_is_asked_for_the_rest_later(
    folder: Path, endpoint: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTIPHON_SERVED_RETRIES", "0")
    nodes, answered = {"mt": NODES["mt"]}, list[str]()
    down = on("", lambda h: h.fail(503, "gone"))
    endpoint.faults = [lambda handler, text: len(answered) >= 35 and text != "Hi" and down(handler, text)]
    endpoint.faults.append(lambda handler, text: answered.append(text) or False)
    monkeypatch.setattr("components.endpoints.chat.ChatModel._is_alive", lambda self: False)
    with pytest.raises(TransientError, match=r"served:echo .*: the server failed: .*gone") as fault:
        run(folder, nodes)
    assert "\n" not in str(fault.value)
    endpoint.faults = []
    endpoint.requests.clear()
    texts = read_best_texts(stages(run(folder, nodes))["mt"])
    assert len(texts) == len(TEXTS)
    assert sorted(endpoint.requests) == sorted(set(TEXTS) - set(answered))


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"URL": ""}, r"mt: served:echo: expected the address of its endpoint, found none"),
        ({"KEY": "sk-a-wrong-one"}, r"mt: served:echo .* expected the server to accept the key"),
        ({"ECHO_MODEL": "ecko"}, r"mt: served:echo .* expected a model 'ecko' there, .*did you mean echo"),
    ],
)
def test_what_is_refused_is_refused_before_anything_is_asked(
    variables: dict[str, str],
    line: str,
    folder: Path,
    endpoint: OpenAIServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"ANTIPHON_SERVED_{name}", value)
    with pytest.raises(ConfigError, match=line) as fault:
        run(folder, {"mt": NODES["mt"]})
    assert "sk-a-wrong-one" not in str(fault.value)
    assert not endpoint.requests


def test_where_weights_are_needed_a_served_model_is_refused(
    folder: Path, endpoint: OpenAIServer, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "two.yaml").write_text(
        "nodes:\n  mt: {kind: translate, of: data, members: ['packaged:multi30k-en-de', 'served:echo']}\n"
    )
    where = ["--data", str(folder / "data.jsonl"), "--store", str(folder / "store")]
    ended = run_command(capsys, "run", str(folder / "two.yaml"), *where)
    assert ended.code == 2
    printed = ended.err
    assert "served:echo: expected a model whose weights are here, found one behind an endpoint" in printed


def test_a_secret_block_holds_address_and_key(
    folder: Path, endpoint: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.blocks.system import Secret

    monkeypatch.delenv("ANTIPHON_SERVED_URL")
    monkeypatch.delenv("ANTIPHON_SERVED_KEY")
    monkeypatch.setenv("ANTIPHON_SERVED_BLOCK", "test-of-served")
    try:
        with pytest.raises(ConfigError, match="expected the Prefect Secret block 'test-of-served'"):
            run(folder, {"mt": NODES["mt"]})
        endpoint_blocks.read_block.cache_clear()
        Secret(value={"url": endpoint.url, "key": KEY}).save("test-of-served", overwrite=True)
        assert len(read_best_texts(stages(run(folder, {"mt": NODES["mt"]}))["mt"])) == len(TEXTS)
    finally:
        endpoint_blocks.read_block.cache_clear()
