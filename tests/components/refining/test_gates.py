"""Gates with a model, against what the model itself says of the same tokens."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from sacrebleu.metrics.chrf import CHRF

from components.decoding.models.causal import CausalModel
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.searches.forced_scoring import force_decode
from components.ensembling.token_level.dropout import DropoutScorer
from components.errors import ConfigError
from components.records import Hypothesis, NBest, Quarantined, Utterance
from components.refining import methods, self_refine
from components.refining.config import RefineConfig, RoundsConfig
from components.refining.judging import gates, text_estimators
from components.refining.rounds import Refiner
from components.refining.self_refine import SelfRefiner
from tests.components.decoding.tiny_models import llama, m2m, marian
from tests.components.translation.test_seq2seq import plain
from tests.components.translation.tokenizers import characters

ITEM = Utterance(id="u", text="a dog", source_language="en", target_language="de")
TOKENIZER = characters(["<pad>", "</e>", "<eot>", "<unk>"], newline=True, bos_token="<eot>")


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A tiny causal model in the place of any other."""
    network = llama(vocabulary=len(TOKENIZER), positions=2048)
    ready = CausalModel(network, "digest", "tiny")
    for module in (text_estimators, self_refine, methods):
        monkeypatch.setattr(
            module, "load_resident", lambda *_: (SimpleNamespace(reference="tiny"), ready, TOKENIZER)
        )
    return network


@torch.no_grad()
def test_fluency_is_the_mean_log_probability_of_a_text(model: Any) -> None:
    texts = ["ein Hund", "xxQ", "<eot>ein Hund"]  # the last one's control token is no text
    values = gates.GATES["fluency"](RoundsConfig(gate="fluency", gate_model="tiny"), None)([ITEM] * 3, texts)
    for text, value in zip(texts[:2], values, strict=False):
        ids = TOKENIZER(text, add_special_tokens=False).input_ids
        log_probs = model(torch.tensor([[TOKENIZER.bos_token_id, *ids]])).logits[0].log_softmax(-1)
        assert value == pytest.approx(
            sum(float(log_probs[i, t]) for i, t in enumerate(ids)) / len(ids), abs=1e-3
        )
    assert values[2] == pytest.approx(values[0])
    cut, whole = gates.GATES["fluency"](RoundsConfig(gate="fluency", gate_model="tiny"), None)(
        [ITEM] * 2, ["ab" * 1024, "ab" * 1500]
    )
    assert whole == cut  # as far as the model reads


@pytest.mark.parametrize("passes", [0, 3])
def test_a_forced_score_is_that_of_the_model_and_with_dropout_the_mean_of_its_passes(
    passes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, tokenizer = plain()
    for module in network.modules():
        if passes and hasattr(module, "dropout") and isinstance(module.dropout, float):
            module.dropout = 0.3
    ready = Seq2SeqModel(network, "digest", "tiny")
    monkeypatch.setattr(text_estimators, "load_resident", lambda *_: (None, ready, tokenizer))
    (value,) = text_estimators.forward_estimator("m", "cpu", None, passes)([ITEM], ["ein Hund"])
    source, target = tokenizer("a dog", return_tensors="pt"), tokenizer("ein Hund").input_ids
    means = []
    for number in range(passes or 1):
        scorer: Any = ready.build_scorer(**{k: source[k] for k in ("input_ids", "attention_mask")})
        if passes:
            scorer = DropoutScorer(scorer, 0, keys=[text_estimators._key_of(ITEM, number)])
        means.append(force_decode([scorer], [target])[0].score / len(target))
    assert value == pytest.approx(sum(means) / len(means), abs=1e-4)
    long = ITEM.model_copy(update={"text": "a dog " * 400})
    (of_long,) = text_estimators.forward_estimator("m", "cpu", None, passes)([long], ["ein Hund " * 400])
    assert -20 < of_long < 0  # of as much as the model reads
    assert len({round(mean, 3) for mean in means}) == (passes or 1)


@pytest.mark.parametrize("kind", ["m2m", "tagged"])
def test_a_forced_score_is_of_the_language_that_is_asked_for(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The source is what the translator reads, and a language's own token is not the model's choice."""
    names = ["<s>", "<pad>", "</s>", "<unk>", "__en__", "__de__", "__fr__"]
    if kind == "m2m":
        tokenizer = characters(names, extra_special_tokens=names[4:])
        network = m2m(vocabulary=len(tokenizer))
    else:
        tokenizer = characters(["</s>", "<unk>", ">>de<<", ">>fr<<"])
        network = marian(vocabulary=len(tokenizer) + 1)
    network.get_output_embeddings()._forward_hooks.clear()
    ready = Seq2SeqModel(network, "digest", "tiny")
    monkeypatch.setattr(text_estimators, "load_resident", lambda *_: (None, ready, tokenizer))
    estimate = text_estimators.forward_estimator("m", "cpu", None)
    end = ready.vocabulary.eos[0]
    own = [*tokenizer("ein Hund", add_special_tokens=False).input_ids, end]
    for target in ("de", "fr"):
        (value,) = estimate([ITEM.model_copy(update={"target_language": target})], ["ein Hund"])
        tag = tokenizer.convert_tokens_to_ids(f"__{target}__" if kind == "m2m" else f">>{target}<<")
        before = [] if kind == "m2m" else [tag]  # this tokenizer writes no language before the source
        source = [*before, *tokenizer("a dog", add_special_tokens=False).input_ids, end]
        first = [*ready.start, *([tag] if kind == "m2m" else [])]
        with torch.no_grad():
            ids, written = torch.tensor([source]), torch.tensor([[*first, *own[:-1]]])
            logits = network(input_ids=ids, decoder_input_ids=written).logits[0].log_softmax(-1)
        log_probs = [float(logits[len(first) - 1 + i, token]) for i, token in enumerate(own)]
        assert value == pytest.approx(sum(log_probs) / len(own), abs=1e-3)


def test_a_round_trip_is_compared_with_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Utterance] = []

    def translate(utterances: Sequence[Utterance]) -> list[NBest | Quarantined]:
        asked.extend(utterances)
        back = Hypothesis(text="a dot", score=0.0, n_tokens=1, system="x")
        bad = Quarantined(utterance_id="u", stage="mt", reason="too long", detail="-")
        return [NBest(utterance_id="u", hypotheses=(back,)), bad]

    monkeypatch.setattr(text_estimators.factory, "build", lambda *_: SimpleNamespace(translate=translate))
    config = RoundsConfig(gate="round_trip", gate_model="tiny")
    unknown = ITEM.model_copy(update={"target_language": None})
    values = gates.GATES["round_trip"](config, None)([ITEM, unknown], ["ein Punkt", "x"])
    assert values == [CHRF().sentence_score("a dot", ["a dog"]).score, 0.0]
    assert [(u.text, u.source_language, u.target_language) for u in asked] == [
        ("ein Punkt", "de", "en"),
        ("x", "und", "en"),
    ]


@pytest.mark.usefixtures("model")
def test_models_of_another_kind_are_refused() -> None:
    with pytest.raises(ConfigError, match="gate_model: expected a translation model, found lm"):
        gates.GATES["forward"](RoundsConfig(gate="forward", gate_model="lm"), None)
    with pytest.raises(
        ConfigError, match="model: expected a model of kind diffusion that the train flow made"
    ):
        Refiner(RefineConfig(method="diffusion", model="lm", gate="off"))


def test_a_prompt_needs_a_causal_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(self_refine, "load_resident", lambda *_: (None, object(), TOKENIZER))
    with pytest.raises(ConfigError, match="model: expected a causal language model, found mt"):
        SelfRefiner(RefineConfig(model="mt", gate="off"), None)


@pytest.mark.usefixtures("model")
def test_a_round_takes_the_words_of_another_critic() -> None:
    draft = NBest(utterance_id="u", hypotheses=(Hypothesis(text="Hut", score=0.0, n_tokens=1, system="x"),))
    refiner = Refiner(RefineConfig(model="tiny", gate="off", max_tokens=6))
    long = NBest(utterance_id="v", hypotheses=(draft.best.model_copy(update={"text": "Hut " * 600}),))
    items = [ITEM, ITEM.model_copy(update={"id": "v"})]
    outcome, too_long = refiner.run_round(items, [[draft], [long]], 1, ["wrong\narticle", "none"])
    assert outcome.best.decision.feedback == "wrong article"
    assert too_long.best.text == long.best.text  # its prompt is: the draft stays


@torch.no_grad()
@pytest.mark.parametrize("feedback", [True, False])
def test_a_revision_is_the_line_that_the_model_writes_after_the_prompt(model: Any, *, feedback: bool) -> None:
    """Greedy search, checked by ``generate``; with feedback the problems are written first, then read."""
    config = RefineConfig(model="tiny", gate="off", feedback=feedback, max_tokens=6)
    refiner = SelfRefiner(config, None)
    (proposal,) = refiner.propose([ITEM], ["ein Hut"], 1)

    def write(prompt: str) -> str:
        ids = TOKENIZER(prompt, return_tensors="pt").input_ids
        ends = [1, 2, *TOKENIZER("\n", add_special_tokens=False).input_ids]
        new = model.generate(ids, do_sample=False, max_new_tokens=6, eos_token_id=ends)[0, ids.shape[1] :]
        line = TOKENIZER.decode(new, skip_special_tokens=True).strip().split("\n", 1)[0]
        return refiner._as_prompt_data(line)

    head = refiner._prompt_head(ITEM, "ein Hut")
    problems = write(f"{head}\nProblems:") if feedback else None
    middle = f"\nProblems: {problems}" if feedback else ""
    assert proposal.text == (write(f"{head}{middle}\nCorrected:") or "ein Hut")
    assert proposal.feedback == problems
