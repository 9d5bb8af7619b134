"""Translation of texts that come and go, against the translator over a list of them."""

from __future__ import annotations

import pytest

from components.nodes.node_context import Item
from components.records import Quarantined
from components.translation.session import TranslatorSession
from tests.components.session_steps import take_steps
from tests.components.translation.test_seq2seq import plain, translator, utterance

pytestmark = pytest.mark.core

LONG = "Abc. De fg. Hi jk. Lm no. Pq. Rs tu."


def test_its_outcomes_are_the_translators_and_what_a_text_begins_with_stays() -> None:
    model, tokenizer = plain()
    model.final_logits_bias[0, model.config.eos_token_id] = -1e4  # no empty translations
    machine = translator(model, tokenizer, batch_size=2)
    texts = [utterance(text, str(n)) for n, text in enumerate([LONG, None, "", "Ab. Cd."])]
    expected = machine.translate(texts)
    session = machine.open_session()
    session.admit(0, Item(utterance=texts[0]))
    assert session.begun(0) == ""
    assert not session.step() and session.keys == {0}
    for key in (1, 2, 3):
        session.admit(key, Item(utterance=texts[key]))
    outcomes, ended, begun = take_steps(session, watched=0)
    assert ended[-1] == 0, "a long text holds up no short one"
    for key, outcome in enumerate(expected):
        got = outcomes[key]
        if isinstance(outcome, Quarantined):
            assert got == outcome
            continue
        assert [h.text for h in got.hypotheses] == [h.text for h in outcome.hypotheses]
        assert got.best.score == pytest.approx(outcome.best.score, rel=1e-4)
    whole = outcomes[0]
    assert len(set(begun)) > 1 and all(begun)
    assert all(whole.best.text.startswith(text) for text in begun)


def test_what_nobody_waits_for_is_dropped() -> None:
    session = translator(*plain()).open_session()
    assert isinstance(session, TranslatorSession)
    session.admit(0, Item(utterance=utterance(LONG)))
    session.admit(1, Item(utterance=utterance(None)))
    session.drop(0)
    session.drop(1)
    assert not session.keys and not session.step()
