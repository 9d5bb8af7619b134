"""Models in CTranslate2 translate as in our own search."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from transformers import MarianMTModel, MarianTokenizer

from components.compute.model_cache import measure_bytes
from components.errors import ConfigError
from components.models import resolve
from components.models.checkpoints import read_json
from components.records import Checkpoint, NBest, Utterance
from components.translation import checks, factory
from components.translation.backends import BACKENDS
from components.translation.backends.ctranslate2.model import load_resident
from components.translation.config import Context, TranslationConfig

PACKAGED = "packaged:multi30k-en-de"
TEXTS = [
    "A man is riding a horse.",
    "Two dogs play in the snow with a red ball.",
    "A girl. She has a red hat.",
]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANTIPHON_CACHE", str(folder := tmp_path_factory.mktemp("cache")))
        yield folder


def translate(model: str, **settings: object) -> list[NBest]:
    config = TranslationConfig.model_validate({"model": model, "beam_size": 4, "n_best": 2, **settings})
    texts = [
        Utterance(id=str(n), text=text, source_language="en", target_language="de")
        for n, text in enumerate(TEXTS)
    ]
    outcomes = factory.build(config).translate(texts)
    assert all(isinstance(outcome, NBest) for outcome in outcomes)
    return [outcome for outcome in outcomes if isinstance(outcome, NBest)]


def assert_equal(ours: list[NBest], theirs: list[NBest]) -> None:
    for our, their in zip(ours, theirs, strict=True):
        assert [h.text for h in their.hypotheses] == [h.text for h in our.hypotheses]
        for first, second in zip(our.hypotheses, their.hypotheses, strict=True):
            assert [t.piece for t in second.tokens] == [t.piece for t in first.tokens]
            assert [t.log_prob for t in second.tokens] == pytest.approx(
                [t.log_prob for t in first.tokens], abs=1e-3
            )
            assert second.features == pytest.approx(first.features, abs=1e-3)


@pytest.mark.parametrize("settings", [{}, {"context": {"sentences": 1}}])
def test_the_packaged_model_gives_the_texts_and_scores_of_our_search(settings: dict[str, object]) -> None:
    assert_equal(translate(PACKAGED, **settings), translate(PACKAGED, **settings, backend="ctranslate2"))


def test_its_weights_count_in_the_cache_of_models() -> None:
    assert measure_bytes(load_resident(resolve(PACKAGED, None), "cpu", "auto"))["cpu"] > 1e7


def test_what_reaches_the_limit_is_cut() -> None:
    for nbest in translate(PACKAGED, max_tokens=3, backend="ctranslate2"):
        assert all(h.n_tokens % 3 == 0 for h in nbest.hypotheses)
        assert nbest.best.features["cut"] == nbest.best.features["sentences"]


def test_a_model_of_the_marian_toolkit_starts_from_zeros(tmp_path: Path) -> None:
    source = resolve(PACKAGED, None).path
    model = MarianMTModel.from_pretrained(source).float()
    model.get_input_embeddings().weight.data[model.config.pad_token_id] = 0
    model.save_pretrained(tmp_path)
    MarianTokenizer.from_pretrained(source).save_pretrained(tmp_path)
    assert_equal(translate(str(tmp_path)), translate(str(tmp_path), backend="ctranslate2"))


def test_it_is_converted_once(cache: Path) -> None:
    folders = sorted((cache / "ctranslate2").iterdir())
    translate(PACKAGED, backend="ctranslate2", dtype="int8")
    assert sorted((cache / "ctranslate2").iterdir()) == folders
    assert read_json(folders[0] / "config.json")["decoder_start_token"] in ("<pad>", "</s>")


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"sampling": {"count": 2}}, "sampling: expected backend torch, found ctranslate2"),
        (
            {"context": Context(target=False, separator="|")},
            "context.target: false: expected backend torch, found ctranslate2",
        ),
    ],
)
def test_what_needs_our_search_is_refused(values: dict[str, object], fault: str) -> None:
    config = TranslationConfig.model_validate({"model": PACKAGED, "backend": "ctranslate2", **values})
    with pytest.raises(ConfigError, match=fault):
        checks.validate_model(config, None, [("en", "de")])


def test_other_models_and_a_missing_library_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    other = Checkpoint(reference="x", path=str(tmp_path), sha256="0" * 64, architecture="LlamaForCausalLM")
    config = TranslationConfig(model="x", backend="ctranslate2")
    with pytest.raises(ConfigError, match=r"backend: ctranslate2 expects one of marian, .* found x \(Llama"):
        BACKENDS["ctranslate2"].refuse(config, other)
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    with pytest.raises(ConfigError, match=r"pip install 'antiphon\[fast\]' or use backend torch"):
        checks.check(TranslationConfig(model=PACKAGED, backend="ctranslate2"), None)
