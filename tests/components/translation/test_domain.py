"""A model knows what it was made for, and says so of texts that are something else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from components.decoding.member_settings import DROPOUT_PREFIX
from components.ensembling.token_level.combiners import LinearInterpolation, NegativeEvidence
from components.ensembling.token_level.factory import _share_of_first, build_translator
from components.errors import ModelError
from components.models.checkpoints import DOMAIN, checkpoint_of
from components.records import NBest, Utterance
from components.storage.store import Store
from components.training.learners.translation_learner import measure_domain
from components.translation.config import MixingConfig, TranslationConfig
from components.translation.context import domain
from components.translation.context.domain import (
    UNFAMILIAR_FEATURE,
    format_warning,
    read_domain,
)
from components.translation.factory import build
from components.translation.translator import Translator
from tests.components.nodes.items import nbest
from tests.components.storage.written import written

CAPTIONS = [
    "A man in a blue shirt is riding a bicycle.",
    "Two dogs are playing in the snow.",
    "A woman sits on a bench and reads a newspaper.",
    "Children play football in a park.",
]
OTHERS = [
    "Mary said she did not know where Tom was.",
    "We are sure that one war is enough.",
    "Permission is hereby granted, free of charge, to any person obtaining a copy of this software.",
    "The interest rates were raised by a quarter of a percentage point on Thursday.",
]


CONFIG = TranslationConfig(model="packaged:multi30k-en-de", beam_size=2)


def unfamiliar(translator: Translator, texts: Sequence[str]) -> list[float]:
    asked = [
        Utterance(id=str(n), text=text, source_language="en", target_language="de")
        for n, text in enumerate(texts)
    ]
    outcomes = translator.translate(asked)
    return [one.best.features[UNFAMILIAR_FEATURE] for one in outcomes if isinstance(one, NBest)]


def test_members_with_dropout_are_less_sure_and_only_their_sources_are_judged() -> None:
    def mixed(model: str) -> list[float]:
        return unfamiliar(build_translator(CONFIG, [model, model], MixingConfig()), OTHERS[1:3])

    assert mixed(CONFIG.model) == [1.0, 1.0]  # copies are the model
    assert mixed(f"{DROPOUT_PREFIX}{CONFIG.model}") == [0.0, 1.0]


def test_a_mixture_may_be_less_sure_than_its_first_model_by_that_model_s_weight() -> None:
    for weights, names, limit in (
        ((0.5, 0.5), "ab", 0.5),
        ((0.3, 0.2, 0.5), "aba", 0.8),
        ((0.0, 1.0), "ab", 0.0),
    ):
        assert _share_of_first([*names], LinearInterpolation(weights)) == pytest.approx(limit)
    assert _share_of_first([*"abc"], NegativeEvidence(0.4)) == 1.0


def test_captions_are_familiar_to_the_shipped_model_and_other_texts_are_not() -> None:
    shares = unfamiliar(build(CONFIG), [*CAPTIONS, *OTHERS, f"{CAPTIONS[0]} {OTHERS[0]}", "!"])
    assert shares[: len(CAPTIONS)] == [0.0] * len(CAPTIONS)
    assert shares[len(CAPTIONS) : -2] == [1.0] * len(OTHERS)
    assert shares[-2] == 0.5


def test_each_limit_is_that_of_the_development_sentences() -> None:
    seen = [[1, 2, 3]] * 5 + [[4]] * 4  # piece 4 was met too seldom to be known
    dev = [([1, 2, 3], -0.1 * n, 1) for n in range(101)]
    domain = measure_domain("tests", seen, dev)
    assert domain.max_pieces == 3
    assert not domain.is_unfamiliar(([3, 2, 1], -1.0, 1))
    assert domain.is_unfamiliar(([3, 2, 1, 1], -1.0, 1))  # longer
    assert domain.is_unfamiliar(([3, 2, 4], -1.0, 1))  # an unknown piece
    assert domain.is_unfamiliar(([3, 2, 1], -9.95, 1))  # less likely than 99 of 100
    assert not domain.is_unfamiliar(([3, 2, 1], -9.95, 2))  # nats per token


def test_the_warning_names_models_that_would_do_better() -> None:
    domain = measure_domain("captions", [[1]] * 5, [([1], -1.0, 1)])
    output = format_warning("packaged:m", domain, 3, 4, ("en", "de-AT"))
    assert "packaged:m was made for captions, and 3 of 4 texts are unlike these" in output
    assert "hub:Helsinki-NLP/opus-mt-en-de" in output
    assert "packaged:qwen2.5-coder-1.5b" in output
    assert "multi30k" not in output  # of captions, too
    assert "qwen" not in format_warning("m", domain, 3, 4, ("en", "cs"))  # a language that it does not name


def test_a_damaged_domain_is_refused_and_belongs_to_the_digest(tmp_path: Path) -> None:
    shipped = Path(build(TranslationConfig(model="packaged:multi30k-en-de")).checkpoint.path)
    for file in shipped.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    before = checkpoint_of(tmp_path, "copy").sha256
    (tmp_path / DOMAIN).write_text('{"description": "x"}')
    assert checkpoint_of(tmp_path, "copy").sha256 != before
    with pytest.raises(ModelError, match=r"domain.json: known: Field required; fetch the model again"):
        read_domain(tmp_path)
    (tmp_path / DOMAIN).unlink()
    assert read_domain(tmp_path) is None


@pytest.mark.parametrize(
    ("shares", "n_dev", "warns"),
    [((1.0, 1.0), 1, True), ((0.0, 0.0), 1, False), ((1.0, 0.0), 99, False), ((1.0, 0.0), 100, True)],
)
def test_texts_are_called_unfamiliar_to_a_model_that_has_a_domain_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shares: tuple[float, float], n_dev: int, warns: bool
) -> None:
    texts = [nbest(f"u{n}", "x", features={UNFAMILIAR_FEATURE: share}) for n, share in enumerate(shares)]
    source = Utterance(id="u0", text="a dog", source_language="und", target_language="de")  # of speech
    store = Store(str(tmp_path))
    ref, data = written(store, "mt", texts), written(store, "data", [source])
    model = SimpleNamespace(path=str(tmp_path))
    monkeypatch.setattr(domain.models, "resolve", lambda *_: model)
    assert domain.domain_notes(ref, "m", data, None) == []
    described = measure_domain("captions", [[1]] * 5, [([1], -1.0, 1)] * n_dev)
    monkeypatch.setattr(domain, "read_domain", lambda folder: described)
    notes = domain.domain_notes(ref, "store:" + "0123456789abcdef" * 4, data, None)
    assert len(notes) == warns
    assert all(
        note.startswith("mt: ")
        and f"store:0123456789ab was made for captions, and {sum(shares):.0f} of 2 texts are unlike these"
        in note
        for note in notes
    )
    assert all("opus-mt-en-de" in note for note in notes)  # the language that was heard
