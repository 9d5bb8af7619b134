"""Lists of two systems as one: the order, what is quarantined, and the learned weight."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from components.decoding.config import SearchConfig
from components.decoding.models.causal import CausalModel
from components.errors import ConfigError, DataError
from components.records import Hypothesis, NBest, Outcome, Quarantined, Utterance
from components.stacking.config import StackConfig
from components.stacking.lists import cross_scoring, nbest_fusion
from components.stacking.lists.nbest_fusion import NBestFusionTranslator, search_weight
from components.translation.backends.causal.model import CausalBackend
from tests.components.decoding.tiny_models import llama
from tests.components.translation.tokenizers import characters


def nbest(key: str, **features: dict[str, float]) -> NBest:
    hypotheses = [
        Hypothesis(text=text.replace("_", " "), score=0.0, n_tokens=1, system="x", features=values)
        for text, values in features.items()
    ]
    return NBest(utterance_id=key, hypotheses=tuple(hypotheses))


class Direct:
    """Says the same of everything, and cannot hear ``deaf``."""

    checkpoint = None

    def translate(self, utterances: Sequence[Utterance]) -> list[Outcome]:
        return [
            Quarantined(utterance_id=u.id, stage="asr", reason="silence", detail="heard nothing")
            if u.id == "deaf"
            else nbest(u.id, c={}, b={})
            for u in utterances
        ]


def scored(**values: float) -> Any:
    return lambda utterance, texts: [values[text] + (utterance.text != "said") for text in texts]


def test_both_lists_are_one_and_bad_ones_are_quarantined() -> None:
    scorers = (scored(a=-1.0, b=-2.0, c=-9.0), scored(a=-8.0, b=-2.0, c=-1.0))
    system = NBestFusionTranslator(StackConfig(method="pooled", n_best=2), Direct(), scorers, 0.5)  # type: ignore[arg-type]
    asked = [Utterance(id=key, text="said\na\nb", source_language="de") for key in ("u", "deaf")]
    good, bad = system.translate(asked)
    assert [h.text for h in good.hypotheses] == ["b", "a"]
    assert good.best.features == {"first": -2.0, "second": -2.0, "fused": -2.0}
    assert (bad.stage, bad.reason) == ("stack", "silence")
    system.max_hypotheses = None
    assert [h.text for h in system.translate(asked)[0].hypotheses] == ["b", "a", "c"]  # type: ignore[union-attr]


def test_what_cannot_be_scored_is_quarantined() -> None:
    def refuses(utterance: Utterance, texts: Sequence[str]) -> list[float]:
        raise ConfigError("more than a window")

    system = NBestFusionTranslator(StackConfig(method="pooled"), Direct(), (refuses, refuses), 0.5)  # type: ignore[arg-type]
    (result,) = system.translate([Utterance(id="u", text="said\na", source_language="de")])
    assert result.detail == "more than a window"


def test_the_weight_is_the_smallest_with_the_best_bleu() -> None:
    wrong, right = {"first": 0.0, "second": -1.0}, {"first": -1.0, "second": -0.5}
    lists = [nbest("u", the_cat_was_black_too=wrong, a_dog_runs_over_there=right)]
    weight, score = search_weight(lists, ["a dog runs over there"])
    assert score == pytest.approx(100.0)
    assert weight == pytest.approx(0.7)  # above 2/3 the right one is first
    assert search_weight(lists, ["the cat was black too"])[0] == 0.0
    with pytest.raises(DataError, match="found none"):
        search_weight([], [])


def test_the_coefficient_sees_whole_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"a": "one two three four", "b": "five six seven eight", "c": "a dog runs there"}
    first = dict(zip(texts.values(), (-1.0, -2.0, -3.0), strict=True))
    second = dict(zip(texts.values(), (-3.0, -2.0, -1.0), strict=True))
    direct: Any = SimpleNamespace(
        checkpoint=None, translate=lambda asked: [nbest(u.id, a_dog_runs_there={}) for u in asked]
    )
    scorers: Any = tuple(lambda _, t, table=table: [table[x] for x in t] for table in (first, second))
    monkeypatch.setattr(
        nbest_fusion,
        "build_translator",
        lambda config, *_: NBestFusionTranslator(config, direct, scorers, config.coefficient),
    )
    utterance = Utterance(
        id="u", text=f"said\n{texts['a']}\n{texts['b']}", source_language="de", references=(texts["c"],)
    )
    weight, score = nbest_fusion.learn_coefficient(
        StackConfig(method="pooled", n_best=1), "text", [utterance]
    )
    assert (weight, round(score)) == (0.55, 100)
    direct.translate = Direct().translate
    deaf = utterance.model_copy(update={"id": "deaf"})
    with pytest.raises(DataError, match=r"data that both systems take, found none: .*heard nothing"):
        nbest_fusion.learn_coefficient(StackConfig(method="pooled"), "text", [deaf])


@pytest.mark.parametrize("missing", [{"coefficient": 0.5}, {"model": "w"}])
def test_a_system_without_its_whisper_or_weight_is_refused(missing: dict[str, Any]) -> None:
    with pytest.raises(
        ConfigError, match=r"expected a Whisper \(stack.model\) and a coefficient, found none"
    ):
        nbest_fusion.build_translator(StackConfig(method="pooled", **missing), "text")


@pytest.mark.parametrize("template", [None, "{% for m in messages %}{{ m.content }}{% endfor %}"])
def test_a_prompted_model_scores_as_a_plain_loop(
    monkeypatch: pytest.MonkeyPatch, template: str | None
) -> None:
    tokenizer = characters(["<pad>", "</e>", "<eot>", "<unk>"], newline=True)
    tokenizer.chat_template = template
    model = llama(vocabulary=len(tokenizer), positions=2048)
    ready = CausalModel(model, "digest", "tiny")
    monkeypatch.setattr(cross_scoring, "load_resident", lambda *_: (None, ready, tokenizer))
    monkeypatch.setattr(cross_scoring, "resolve", lambda *_: SimpleNamespace(architecture="LlamaForCausalLM"))
    utterance = Utterance(id="u", text="Ein Hund", source_language="de", target_language="en")
    result = cross_scoring.build_text_scorer("tiny", device="cpu")(utterance, ["A dog", "Two men sit"])

    prompt = CausalBackend(ready, tokenizer, SearchConfig()).prepare("Ein Hund", "de", "en").tokens
    for text, value in zip(["A dog", "Two men sit"], result, strict=True):
        end = [ready.vocabulary.eos[0]] if template else tokenizer("\n", add_special_tokens=False).input_ids
        answer = [*tokenizer(text if template else f" {text}", add_special_tokens=False).input_ids, *end]
        with torch.no_grad():
            logits = model(torch.tensor([[*prompt, *answer]])).logits[0].log_softmax(-1)
        each = [float(logits[len(prompt) + i - 1, token]) for i, token in enumerate(answer)]
        assert value == pytest.approx(sum(each) / len(each), abs=1e-3)
