"""A translator with a draft model: the same texts, a key of its own, and what does not fit is refused."""

from __future__ import annotations

import pytest

from components.decoding.member_settings import MixingConfig
from components.ensembling.token_level.checks import check_translators
from components.ensembling.token_level.factory import build_translator
from components.errors import ConfigError
from components.nodes.node_context import NodeContext
from components.records import NBest, Outcome, Utterance
from components.translation import factory
from components.translation.config import EnsembleConfig, TranslationConfig
from components.translation.kinds.translate import Translate, TranslateSettings
from tests.components.ensembling.token_level.vocabularies.test_cross_vocabulary import save_model
from tests.components.stacking.tiny import WORDS

TEXTS = [Utterance(id=t, text=t, source_language="en") for t in ("ein hund", "rot", "zwei katze sieht blau")]
GREEDY = {"beam_size": 1, "max_tokens": 12}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two of one tokenizer, one of another."""
    folders = [tmp_path_factory.mktemp(name) for name in ("large", "small", "other")]
    sizes = [(WORDS, 48, 0), (WORDS, 48, 1), (WORDS[:6], 32, 0)]
    return [save_model(folder, *size) for folder, size in zip(folders, sizes, strict=True)]


def texts(outcomes: list[Outcome]) -> list[str]:
    assert all(isinstance(outcome, NBest) for outcome in outcomes)
    return [outcome.best.text for outcome in outcomes if isinstance(outcome, NBest)]


def test_texts_are_those_without_a_draft(models: list[str]) -> None:
    plain = TranslationConfig(model=models[0], **GREEDY)
    drafted = plain.model_copy(update={"draft": models[1]})
    assert texts(factory.build(drafted).translate(TEXTS)) == texts(factory.build(plain).translate(TEXTS))
    for method in ("linear", "log_linear"):
        mixing = MixingConfig(method=method)  # type: ignore[arg-type]
        outputs = [
            texts(build_translator(config, models[:2], mixing).translate(TEXTS))
            for config in (plain, drafted)
        ]
        assert outputs[0] == outputs[1]


def test_a_draft_is_a_model_beside_those_that_are_mixed() -> None:
    settings = TranslateSettings(model="a", members=("b",), draft="node:c", **GREEDY)
    assert Translate().facts(settings).models == {"member1": "a", "member2": "b", "draft": "node:c"}


def test_what_does_not_fit_is_refused_before_anything_is_translated(models: list[str]) -> None:
    other = TranslateSettings(model=models[0], draft=models[2], **GREEDY)
    with pytest.raises(
        ConfigError, match=rf"draft: expected the vocabulary of {models[0]} .* found {models[2]}"
    ):
        Translate().validate_models(other, NodeContext("mt"), [("en", "de")])
    with pytest.raises(
        ValueError, match="draft: expected greedy search, found beam_size 5: set beam_size to 1"
    ):
        TranslationConfig(draft="small")
    with pytest.raises(ConfigError, match=r"draft: expected members .*found combine.vocabulary union"):
        mixing = MixingConfig(vocabulary="union")
        check_translators(EnsembleConfig(members=("a", "b"), mixing=mixing, draft="small", **GREEDY), None)
    with pytest.raises(ConfigError, match=r"draft: expected members .*found dropout members"):
        members = ("dropout:a", "dropout:a")
        check_translators(EnsembleConfig(members=members, mixing=MixingConfig(), draft="b", **GREEDY), None)
