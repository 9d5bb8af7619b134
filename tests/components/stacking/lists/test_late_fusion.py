"""The coefficient against brute force, and late fusion's laws."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.decoding.searches.forced_scoring import force_decode
from components.errors import DataError
from components.records import NBest, Utterance
from components.stacking.config import StackConfig
from components.stacking.lists.late_fusion import learn_coefficient, search_weight
from components.stacking.methods import METHODS, StackSource
from components.stacking.model_folder import LoadedStackedModel, save_stacked
from components.stacking.translator import StackedTranslator, build_translator
from tests.components.stacking import tiny

LOG_PROBS = st.lists(st.tuples(st.floats(-20, -0.01), st.floats(-20, -0.01)), min_size=1, max_size=12)


@settings(max_examples=40)
@given(LOG_PROBS)
def test_it_is_the_likeliest_hundredth(pairs: list[tuple[float, float]]) -> None:
    def likelihood(w: float) -> float:
        return sum(math.log((1 - w) * math.exp(a) + w * math.exp(b)) for a, b in pairs) / len(pairs)

    weight, result = search_weight(*zip(*pairs, strict=True))  # type: ignore[arg-type]
    best = max(likelihood(i / 100) for i in range(101))
    assert result == pytest.approx(best, abs=1e-9)
    assert likelihood(weight) == pytest.approx(best, abs=1e-9)


def test_one_sided_evidence_and_none() -> None:
    assert search_weight([-1.0, -1.0], [-5.0, -5.0])[0] == 0.0
    assert search_weight([-5.0, -5.0], [-1.0, -1.0])[0] == 1.0
    with pytest.raises(DataError, match="found 0 and 0"):
        search_weight([], [])


@pytest.fixture(scope="module")
def systems(
    text_folder: Path, whisper_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, str, list[Utterance]]:
    """A text model, a direct model with the same vocabulary, and three tones with transcripts."""
    folder = tmp_path_factory.mktemp("direct")
    ready = tiny.stacked(text_folder, "direct")
    speech = ready.speech.model_copy(update={"model": str(whisper_folder)})
    save_stacked(LoadedStackedModel(ready.model, ready.tokenizer, speech, "direct"), folder)
    transcripts = ["ein hund", "rot katze", "blau"]
    tones = [tiny.tone(folder / f"t{i}.wav", 200.0 * (i + 1)) for i in range(3)]
    update = [{"text": text, "references": (text,)} for text in transcripts]
    return str(text_folder), str(folder), [t.model_copy(update=u) for t, u in zip(tones, update, strict=True)]


def texts(method: str, systems: tuple[str, str, list[Utterance]], **changes: object) -> list[str]:
    text, direct, utterances = systems
    settings = {"method": method, "model": direct, "beam_size": 3, "n_best": 1, "max_tokens": 10} | changes
    outcomes = build_translator(StackConfig.model_validate(settings), text).translate(utterances)
    assert all(isinstance(outcome, NBest) for outcome in outcomes)
    assert [o.utterance_id for o in outcomes] == [u.id for u in utterances]
    return [outcome.best.text for outcome in outcomes if isinstance(outcome, NBest)]


def test_all_weight_on_one_member_is_that_member(systems: tuple[str, str, list[Utterance]]) -> None:
    text, direct, _ = systems
    alone = texts("direct", systems)
    assert texts("late_fusion", systems, coefficient=1.0) == alone
    reads = texts("late_fusion", systems, coefficient=0.0)
    assert reads != alone
    read_alone = [texts("late_fusion", (text, direct, [each]), coefficient=0.0) for each in systems[2]]
    assert read_alone == [[text] for text in reads]


def test_the_tokens_tell_who_chose_which_word(systems: tuple[str, str, list[Utterance]]) -> None:
    text, direct, utterances = systems
    config = StackConfig(method="late_fusion", model=direct, beam_size=3, n_best=1, max_tokens=10)
    for weights in ({text: 0.75, direct: 0.25}, {direct: 1.0}):
        fused = config.model_copy(update={"coefficient": weights[direct]})
        (outcome,) = build_translator(fused, text).translate(utterances[:1])
        for token in outcome.best.tokens:
            assert token.weights == pytest.approx(weights)
            assert set(token.members) <= set(weights)


def test_the_learned_coefficient_is_a_weight(systems: tuple[str, str, list[Utterance]]) -> None:
    text, direct, utterances = systems
    config = StackConfig(method="late_fusion", model=direct)
    weight, likelihood = learn_coefficient(config, text, utterances)
    assert 0 <= weight <= 1
    assert likelihood < 0
    fused = METHODS["late_fusion"](config.model_copy(update={"coefficient": weight}), text, None)
    prepare = StackedTranslator(config, fused).prepare
    sources = [s for n, u in enumerate(utterances) if isinstance(s := prepare(n, u), StackSource)]
    targets = [fused.tokenizer(text_target=u.references[0]).input_ids for u in utterances]
    forced = force_decode(fused.build_scorers(sources), targets, combiner=fused.combiner)
    log_probs = [value for candidate in forced for value in candidate.log_probs]
    assert likelihood == pytest.approx(sum(log_probs) / len(log_probs), abs=1e-4)
    silent = utterances[0].model_copy(update={"id": "silent", "audio": None})
    endless = utterances[0].model_copy(update={"references": ("rot " * 300,)})
    config = config.model_copy(update={"batch_size": 1})
    assert learn_coefficient(config, text, [silent, endless, *utterances]) == learn_coefficient(
        config, text, utterances
    )
