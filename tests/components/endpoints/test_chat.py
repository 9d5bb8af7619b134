"""A chat endpoint that answers, and one that misbehaves: nothing is lost, and every fault is one line."""

from __future__ import annotations

import re
import sqlite3
import time
from pathlib import Path

import pytest

from components.compute.profiling import measure_cost
from components.endpoints.answer_cache import answers_file
from components.endpoints.chat import ChatModel, TextModel, open_chat
from components.endpoints.chat_answer import ChatAnswer
from components.endpoints.connection import AnswerError
from components.endpoints.endpoint import find_endpoint
from components.errors import ConfigError, ModelError, TransientError, UnknownModelError
from components.models import resolve
from components.storage.stages.stage_plan import StagePlan
from components.storage.store import Store
from tests.components.nodes.items import nbest
from tests.components.storage.written import encode_piece
from tests.openai_server import KEY, OpenAIServer, cut, hang, on


def fresh() -> ChatModel:
    """The model as another process has it, which has asked nothing yet."""
    return ChatModel(find_endpoint("echo"))


def ask(*texts: str, model: ChatModel | None = None) -> list[ChatAnswer | AnswerError]:
    return (model or fresh()).generate([(("user", text),) for text in texts], 32)


def texts_of(answers: list[ChatAnswer | AnswerError]) -> list[str]:
    return [answer.reason if isinstance(answer, AnswerError) else answer.text for answer in answers]


def test_answers_are_in_order_with_log_probabilities_and_counts(endpoint: OpenAIServer) -> None:
    texts = [f"text {n}" for n in range(20)]
    answers = ask(*texts)
    assert texts_of(answers) == [text.upper() for text in texts]
    first = answers[0]
    assert [(token.piece, token.log_prob) for token in first.tokens] == [("TEXT ", -0.5), ("0", -0.5)]
    assert (first.score, first.counts) == (-1.0, {"input_tokens": 10.0, "output_tokens": 2.0})
    assert endpoint.bodies[0]["max_tokens"] == 32
    assert endpoint.bodies[0]["temperature"] == 0


def test_without_log_probabilities_an_answer_has_no_tokens(endpoint: OpenAIServer) -> None:
    endpoint.with_log_probs = False
    (answer,) = ask("a dog")
    assert (answer.text, answer.tokens, answer.score) == ("A DOG", (), 0.0)


def test_parts_of_a_message_and_counts_of_null_are_read(endpoint: OpenAIServer) -> None:
    completion = endpoint.completion("A")
    parts = [
        {"type": "text", "text": "A "},
        {"type": "refusal", "refusal": "no"},
        {"type": "text", "text": "DOG"},
    ]
    completion["choices"][0] = {"message": {"role": "assistant", "content": parts}}
    completion["usage"] = {"prompt_tokens": None, "completion_tokens": 2}
    endpoint.completion = lambda text: completion  # type: ignore[method-assign]
    (answer,) = ask("a dog")
    assert (answer.text, answer.counts) == ("A DOG", {"output_tokens": 2.0})


def test_requests_in_flight_are_bounded(endpoint: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_SERVED_CONCURRENCY", "3")
    endpoint.faults = [lambda handler, text: bool(time.sleep(0.05))]
    ask(*map(str, range(12)))
    assert endpoint.most_at_once == 3


@pytest.mark.parametrize(
    "fault",
    [
        lambda h: h.fail(429, "slow down", Retry_After="0.1"),
        lambda h: h.fail(500, "oops"),
        lambda h: h.fail(503, "loading"),
        cut,
        lambda h: h.send(b"{not json"),
        lambda h: h.send(b"<html>proxy</html>", content_type="text/html"),
        lambda h: h.send({"choices": []}),
        lambda h: h.send({"choices": [{"message": {"content": 7}}]}),
        lambda h: h.send(b'{"choices": [{"message": {}, "logprobs": {"content": [{"token": "", "logprob": NaN}]}}]}'),  # noqa: E501
        lambda h: h.send(b"[" * 100_000),
        lambda h: h.send(b'{"choices": [{"message": {"content": "half a character: \\ud83d"}}]}'),
    ],
)  # fmt: skip
def test_what_passes_is_tried_again(fault: object, endpoint: OpenAIServer) -> None:
    endpoint.faults = [on("bad", fault, times=1)]  # type: ignore[arg-type]
    assert texts_of(ask("one", "bad", "two")) == ["ONE", "BAD", "TWO"]


@pytest.mark.parametrize(
    "fault", [lambda h: h.fail(500, "oops"), lambda h: h.fail(409, "oops"), cut, lambda h: h.send(b"no json")]
)
def test_a_record_that_the_server_cannot_answer_is_singled_out(fault: object, endpoint: OpenAIServer) -> None:
    """It answers a small request right after, so it is not the server that is at fault."""
    endpoint.faults = [on("bad", fault)]  # type: ignore[arg-type]
    one, bad, two = ask("one", "bad", "two")
    assert texts_of([one, two]) == ["ONE", "TWO"]
    assert bad.reason == "no answer"
    assert re.fullmatch(r"served:echo \(http.*\): .*; it answers other requests", str(bad))


def test_a_record_that_is_refused_is_singled_out_at_once(endpoint: OpenAIServer) -> None:
    endpoint.faults = [on("bad", lambda h: h.fail(400, f"too long, and your key is {KEY}"))]
    _, bad = ask("one", "bad")
    assert bad.reason == "refused by the server"
    assert "too long, and your key is ***" in str(bad)
    assert endpoint.requests.count("bad") == 1


def test_a_server_that_goes_away_loses_nothing(endpoint: OpenAIServer) -> None:
    """What was answered is kept: the next attempt asks only for the rest."""
    texts, answered = [f"text {n}" for n in range(30)], set[str]()
    down = on("", lambda h: h.fail(503, "down"))
    endpoint.faults = [lambda handler, text: len(endpoint.requests) > 12 and down(handler, text)]
    endpoint.answer = lambda text: (answered.add(text), text.upper())[-1]
    with pytest.raises(TransientError, match=r"served:echo .*: the server failed: .*down") as fault:
        ask(*texts)
    assert "\n" not in str(fault.value)
    kept = len(answered & set(texts))
    assert kept > 3
    endpoint.faults, endpoint.requests = [], []
    assert texts_of(ask(*texts)) == [text.upper() for text in texts]
    assert len(endpoint.requests) == 30 - kept
    endpoint.requests.clear()
    ask(*texts)
    assert not endpoint.requests
    endpoint.fingerprint = "fp_2"
    ask(*texts[:3])
    assert len(endpoint.requests) == 3  # another server answers anew


def test_no_answer_in_time(endpoint: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_SERVED_TIMEOUT", "0.3")
    monkeypatch.setenv("ANTIPHON_SERVED_RETRIES", "0")
    endpoint.faults = [on("bad", hang(1))]
    with pytest.raises(
        TransientError, match=r"no answer in 0.3 s; try again, or raise ANTIPHON_SERVED_TIMEOUT"
    ):
        ask("one", "bad")


@pytest.mark.parametrize("status", [408, 504, 524])
def test_the_time_of_a_proxy_is_no_fault_of_a_record(status: int, endpoint: OpenAIServer) -> None:
    """A record that was quarantined for it would stay so."""
    endpoint.faults = [on("bad", lambda h: h.fail(status, "upstream timed out"))]
    with pytest.raises(TransientError, match=r"no answer in the server's time: .*timed out.*; try again$"):
        ask("one", "bad")


def test_a_limit_that_lasts_is_said(endpoint: OpenAIServer) -> None:
    endpoint.faults = [on("bad", lambda h: h.fail(429, "quota", Retry_After="600"))]
    with pytest.raises(TransientError, match=r"the server is busy: .*quota.*; try again"):
        ask("bad")
    assert endpoint.requests == ["bad"]  # it asked for more patience than there is


def test_a_refused_key_ends_before_anything_is_asked(
    endpoint: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTIPHON_SERVED_KEY", "sk-a-wrong-one")
    with pytest.raises(
        ConfigError, match=r"expected the server to accept the key, .*\*\*\*.*; set ANTIPHON_SERVED_KEY"
    ) as fault:
        ask("one")
    assert "sk-a-wrong-one" not in str(fault.value)
    assert "\n" not in str(fault.value)
    assert not endpoint.requests


def test_an_account_without_credit_loses_no_record(endpoint: OpenAIServer) -> None:
    endpoint.faults = [on("bad", lambda h: h.fail(402, "Insufficient Balance"))]
    with pytest.raises(ConfigError, match=r"found .*Insufficient Balance; top it up, and run again"):
        ask("one", "bad")


def test_headers_for_the_server_of_openai_stay_here(
    endpoint: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer sk-another\nX-Gateway: secret")
    monkeypatch.setenv("OPENAI_ORG_ID", "secret")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "secret")
    sent = list[str]()
    endpoint.faults = [lambda h, _: sent.extend(h.headers.values()) is not None]
    endpoint.faults.append(on("bad", lambda h: h.fail(500, "oops")))
    assert texts_of(ask("one", "bad")) == ["ONE", "no answer"]  # a client without retries is a copy
    assert not {"secret", "Bearer sk-another"} & set(sent)


def test_a_kept_answer_that_cannot_be_read_is_asked_again(endpoint: OpenAIServer) -> None:
    for body in ("{", '{"choices": []}'):
        ask("one")
        with sqlite3.connect(answers_file()) as cache:
            cache.execute("UPDATE answers SET body = ?", (body,))
        assert texts_of(ask("one")) == ["ONE"]


def test_an_unknown_model_and_what_there_is_instead(endpoint: OpenAIServer) -> None:
    with pytest.raises(UnknownModelError, match=r"expected a model 'ecko' there, .*; did you mean echo"):
        open_chat("ecko")


def test_a_server_without_a_list_of_models(endpoint: OpenAIServer) -> None:
    endpoint.models = []
    assert resolve("served:echo").architecture == "served"
    with pytest.raises(UnknownModelError, match=r"expected a model 'echo' there, .* 404 .*; there are: none"):
        open_chat("echo")


def test_a_server_that_is_not_there(endpoint: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_SERVED_URL", "http://127.0.0.1:9/v1")
    with pytest.raises(TransientError, match=r"does not answer: .*; try again, or check its address and log"):
        ask("one")


@pytest.mark.parametrize(
    ("refused", "sent"),
    [(("logprobs",), {"max_tokens", "temperature"}), (("max_tokens", "temperature", "logprobs"), set())],
)
def test_parameters_that_a_server_refuses_are_left_out(
    refused: tuple[str, ...], sent: set[str], endpoint: OpenAIServer
) -> None:
    endpoint.refused = refused
    assert texts_of(ask("one")) == ["ONE"]
    assert endpoint.bodies[0].keys() == {"model", "messages", *sent}


def test_models_that_think_take_another_limit(endpoint: OpenAIServer) -> None:
    def refuse(handler: object, text: str) -> bool:
        said = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
        asked = not endpoint.bodies or "max_tokens" in endpoint.bodies[-1]
        if asked and not endpoint.requests:
            handler.fail(400, said, "max_tokens")  # type: ignore[attr-defined]
            endpoint.faults.clear()
            return True
        return False

    endpoint.faults = [refuse]
    ask("one")
    assert endpoint.bodies[0]["max_completion_tokens"] == 32
    assert "max_tokens" not in endpoint.bodies[0]


def test_a_server_that_refuses_conversations(endpoint: OpenAIServer) -> None:
    endpoint.faults = [on("", lambda h: h.fail(400, "only audio here"))]
    with pytest.raises(ModelError, match=r"only audio here.*; is it a chat model"):
        ask("one")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("<think>a dog is\n</think>\n\nein Hund", "ein Hund"),
        ("a dog is\n</think>\n\nein Hund", "ein Hund"),
        ("<think>so long", "no answer"),
        ("  ", "no answer"),
        (f"the key {KEY}", "the key ***"),
    ],
)
def test_what_is_no_answer(content: str, expected: str, endpoint: OpenAIServer) -> None:
    endpoint.answer = lambda text: content
    reason = "length" if content.startswith("<think>so") else "stop"
    made = endpoint.completion
    endpoint.completion = lambda text: _with_reason(made(text), reason)  # type: ignore[method-assign]
    answers = ask("one")
    assert texts_of(answers) == [expected]
    if isinstance(answers[0], ChatAnswer):
        assert "".join(token.piece for token in answers[0].tokens) == expected


def _with_reason(completion: dict[str, object], reason: str) -> dict[str, object]:
    completion["choices"][0]["finish_reason"] = reason  # type: ignore[index]
    return completion


@pytest.mark.parametrize("most_choices", [100, 2, 1])
def test_samples_come_in_one_request_or_one_by_one(endpoint: OpenAIServer, most_choices: int) -> None:
    endpoint.most_choices = most_choices
    counter = iter(range(100))
    endpoint.answer = lambda text: f"{text} {next(counter)}"
    sampling = {"temperature": 0.7}
    model = fresh()
    first = model.sample([(("user", "x"),)], 32, 4, sampling)
    (answers,) = first
    assert isinstance(answers, list)
    assert len({answer.text for answer in answers}) == 4
    assert [body.get("n") for body in endpoint.bodies] == [4, *[None] * (4 - min(most_choices, 4))]
    assert all(body["temperature"] == 0.7 for body in endpoint.bodies)
    assert sum(answer.input_tokens for answer in answers) == 10 * len(endpoint.bodies)
    asked = len(endpoint.requests)
    assert fresh().sample([(("user", "x"),)], 32, 4, sampling) == first  # all of them were kept
    assert len(endpoint.requests) == asked
    (others,) = fresh().sample([(("user", "x"),)], 32, 4, sampling, seed=1)  # and none for another seed
    assert isinstance(others, list)
    assert not {answer.text for answer in others} & {answer.text for answer in answers}


def test_a_server_without_n_is_asked_one_by_one(endpoint: OpenAIServer) -> None:
    endpoint.refused = ("n",)
    (answers,) = fresh().sample([(("user", "x"),)], 32, 3, {"temperature": 1.0})
    assert isinstance(answers, list)
    assert [answer.text for answer in answers] == ["X", "X", "X"]


def test_a_base_model_goes_on_with_a_text(endpoint: OpenAIServer) -> None:
    model = TextModel(find_endpoint("echo"))
    (answer,) = model.generate([(("user", "English: a dog"),)], 7)
    assert (answer.text, answer.score) == ("A DOG", -0.25)  # the first token has no log-probability
    body = endpoint.bodies[-1]
    assert (body["prompt"], body["stop"], body["logprobs"], body["max_tokens"]) == (
        "English: a dog",
        ["\n"],
        1,
        7,
    )


def test_what_was_counted_is_noted_in_what_is_measured(endpoint: OpenAIServer) -> None:
    with measure_cost() as cost:
        ask("one two", "three")
        ask("one two")  # kept: it is counted for whoever needs it
    assert cost.usage == {"served:echo": {"input_tokens": 30.0, "output_tokens": 5.0}}


def test_after_a_kill_only_what_was_not_kept_is_asked(endpoint: OpenAIServer, tmp_path: Path) -> None:
    """The process that asked is gone: another one finds in the store's shards and the cache what is there."""
    store, plan = Store(str(tmp_path / "store")), StagePlan(stage="mt", version="test/1")
    texts = ["a", "b", "c", "d", "e", "f"]

    class KilledError(BaseException):
        pass

    def translate(store: Store, *, killed_in: int = -1) -> int:
        """Compute the shards that are missing, and return how many there are."""
        missing = [shard for shard in range(3) if store.find_shard(f"{shard}" * 64) is None]
        for shard in missing:
            asked = texts[2 * shard : 2 * shard + 2]
            answers = ask(*asked)
            if shard == killed_in:
                raise KilledError  # answers have arrived, the shard is not written
            assert texts_of(answers) == [text.upper() for text in asked]
            store.add_shard(
                *encode_piece(plan, [nbest(text, text.upper()) for text in asked], f"{shard}" * 64)
            )
        return len(missing)

    with pytest.raises(KilledError):
        translate(store, killed_in=1)
    assert sorted(endpoint.requests) == ["a", "b", "c", "d"]
    assert translate(Store(str(tmp_path / "store"))) == 2
    assert sorted(endpoint.requests) == texts
