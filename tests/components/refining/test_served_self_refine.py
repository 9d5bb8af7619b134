"""Self-refine by a served model: the prompts of a local one, costs, and records without an answer."""

from __future__ import annotations

from components.records import Hypothesis, NBest, Quarantined, Utterance
from components.refining.config import RefineConfig
from components.refining.rounds import Refiner
from tests.openai_server import OpenAIServer, on


def rounds(drafts: list[str], **values: object) -> tuple[list[object], Refiner]:
    refiner = Refiner(RefineConfig(model="served:echo", gate="off", **values))  # type: ignore[arg-type]
    items = [
        Utterance(id=f"u{n}", text="a dog", source_language="en", target_language="fi")
        for n in range(len(drafts))
    ]
    history = [
        [NBest(utterance_id=u.id, hypotheses=(Hypothesis(text=d, score=0.0, n_tokens=1, system="x"),))]
        for u, d in zip(items, drafts, strict=True)
    ]
    return list(refiner.run_round(items, history)), refiner


def test_problems_are_asked_for_then_the_correction(endpoint: OpenAIServer) -> None:
    endpoint.answer = lambda text: (
        "wrong article\nand more" if text.endswith("Problems:") else "Corrected: ein Hund"
    )
    (outcome,), _ = rounds(["eine Hund"])
    assert (outcome.best.text, outcome.best.system) == ("ein Hund", "served:echo")
    assert outcome.best.decision.feedback == "wrong article"
    assert outcome.best.features == {"input_tokens": 20.0, "output_tokens": 8.0 - 1.0}
    asked = endpoint.requests[-1].splitlines()
    assert asked[-4:] == ["Source: a dog", "Draft: eine Hund", "Problems: wrong article", "Corrected:"]


def test_a_draft_without_an_answer_is_quarantined_and_the_others_go_on(endpoint: OpenAIServer) -> None:
    endpoint.faults = [on("Draft: bad", lambda h: h.fail(400, "no"))]
    endpoint.answer = lambda text: "better"
    endpoint.with_log_probs = False
    outcomes, _ = rounds(["one", "bad", "two", "three"], feedback=False)
    good = [outcome for outcome in outcomes if isinstance(outcome, NBest)]
    assert [outcome.best.text for outcome in good] == ["better"] * 3
    assert good[0].best.n_tokens == 0  # nothing is known of how sure it is
    (refused,) = [outcome for outcome in outcomes if isinstance(outcome, Quarantined)]
    assert (refused.utterance_id, refused.reason) == ("u1", "refused by the server")
    assert len(endpoint.requests) - endpoint.requests.count(endpoint.requests[0]) >= 3
