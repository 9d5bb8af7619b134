"""Refiners are trained, saved, loaded and used: as translators, and round by round on drafts."""

from __future__ import annotations

from pathlib import Path

import pytest
from sacrebleu.metrics.chrf import CHRF

from components.data import load
from components.errors import ConfigError
from components.records import Hypothesis, NBest, Utterance
from components.refining.config import RefineConfig
from components.refining.rounds import Refiner
from components.training.config import TrainingConfig
from components.training.kinds.train import LEARNERS
from components.training.loop.scoring import score_translator
from components.training.loop.trainer import train
from components.translation.config import TranslationConfig
from components.translation.factory import build
from tests.components.training.tiny import TINY, WORDS, draw_lines, write_copies

KINDS = {"deliberation": {"num_drafts": 2}, "edit_diffusion": {"diffusion_steps": 2}}
METHODS = {"deliberation": "deliberation", "edit_diffusion": "diffusion"}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """Copying of words, and a translation model that has begun to learn it."""
    folder = tmp_path_factory.mktemp("refiners")
    lines = draw_lines(60, 3, WORDS[:6])
    dev = write_copies(folder, [*lines[:3], "ein hund " * 400], "dev")  # one longer than can be read
    toy = {"data": write_copies(folder, lines), "dev": dev}
    budget = {"max_steps": 20, "eval_every": 10, "eval_sentences": 4, "average_checkpoints": 1}
    learning = {"learning_rate": 5e-3, "warmup_steps": 5, "ffn_dim": 32, "dropout": 0.0}
    values: dict[str, object] = {**TINY, **budget, **toy, **learning}
    train(TrainingConfig.model_validate(values), folder / "base", make_learner=LEARNERS["translation"])
    return {**values, "init_from": str(folder / "base" / "model")}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_trained_translates_and_refines(
    kind: str, settings: dict[str, object], tmp_path: Path
) -> None:
    config = TrainingConfig.model_validate({**settings, "kind": kind, **KINDS[kind]})
    state = train(config, tmp_path / "out", make_learner=LEARNERS[kind])
    losses = [row["dev_loss"] for row in state.history]
    assert losses[-1] < losses[0]
    model = str(tmp_path / "out" / "model")
    source = Utterance(id="u", text="ein hund", source_language="en", target_language="de")
    (translation,) = build(TranslationConfig(model=model, device="cpu", beam_size=1, n_best=1)).translate(
        [source]
    )
    assert isinstance(translation, NBest)
    with pytest.raises(ConfigError, match="expected dtype float32, bfloat16, float16, found int8"):
        build(TranslationConfig(model=model, device="cpu", dtype="int8"))
    text = str(settings["dev"])
    dataset = load(text, source_language="en", target_language="de", limit=3)
    translator = build(TranslationConfig(model=model, beam_size=1, n_best=1))
    scores = score_translator(translator, dataset, "de")
    outcomes = translator.translate(dataset.utterances)
    hypotheses = [outcome.best.text for outcome in outcomes if isinstance(outcome, NBest)]
    expected = CHRF().corpus_score(hypotheses, [[u.references[0] for u in dataset.utterances]]).score
    assert scores["chrf"].value == pytest.approx(expected)
    draft = NBest(utterance_id="u", hypotheses=(Hypothesis(text="ein", score=-1.0, n_tokens=2, system="x"),))
    rounds = Refiner(
        RefineConfig.model_validate({"method": METHODS[kind], "model": model, "device": "cpu", "gate": "off"})
    )
    long = Hypothesis(text="ein hund " * 400, score=-1.0, n_tokens=800, system="x")
    items = [source, source.model_copy(update={"id": "v", "text": long.text}), source]
    drafts = [draft, draft, NBest(utterance_id="u", hypotheses=(long,))]
    refined, *others = rounds.run_round(items, [[each] for each in drafts])
    assert [each.best.text for each in others] == ["ein", long.text]  # what is too long to be read stays
    assert refined.best.decision is not None
