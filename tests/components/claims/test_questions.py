"""Questions asked of systems whose texts are written down, and of the command."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import sacrebleu

from components.claims.answer import ask, write_answer
from components.claims.question import QUESTIONS, Systems
from components.claims.systems import refining, reranking, workbench
from components.claims.systems.decoding_cost import measure_apart
from components.claims.systems.reranking import learn_coefficients
from components.claims.systems.workbench import Workbench
from components.errors import ConfigError, ModelError
from components.recognition.config import RecognitionConfig
from components.records import Audio, Checkpoint, Hypothesis, NBest, Utterance
from components.refining.config import RefineConfig
from components.translation.config import TranslationConfig
from tests.command import run_command, run_for_json

WORDS = [
    *("ein", "Hund", "läuft", "über", "die", "Wiese", "und", "bellt", "laut", "weil", "Kinder"),
    *("dort", "spielen"),
]


class Written(Workbench):
    """A workbench on which any model translates, with a share of wrong words; a mixture has fewer."""

    def check(self, *_: object) -> None:
        """Take every model."""

    def translate(
        self,
        utterances: Sequence[Utterance],
        models: Sequence[Any],
        *,
        beam_size: int = 5,
        mixing: Mapping[str, Any] | None = None,
    ) -> dict[str, str]:
        """References with wrong words."""
        rate = min(float(model) for model in models) / (len(models) if len(models) > 1 else 1)
        draw = np.random.default_rng(int(1000 * rate))
        return {
            u.id: " ".join("falsch" if draw.random() < rate else word for word in u.references[0].split())
            for u in utterances
        }


def utterances(n: int, seed: int) -> tuple[Utterance, ...]:
    draw = np.random.default_rng(seed)
    return tuple(
        Utterance(
            id=f"{seed}-{k}",
            text=f"a dog {seed}-{k}",
            source_language="en",
            target_language="de",
            references=(" ".join(draw.permutation(WORDS)),),
        )
        for k in range(n)
    )


@pytest.fixture
def systems(tmp_path: Path) -> Systems:
    return Systems(
        Written(tmp_path, lambda text: None), ("0.3", "0.4", "0.5"), utterances(60, 1), utterances(60, 2)
    )


def test_an_ensemble_is_judged_by_the_difference_that_sacrebleu_sees(systems: Systems) -> None:
    question = QUESTIONS["ensembling"]
    verdict = ask(question, systems)
    assert verdict.text == "holds"
    mixed, best = (list(systems.translate(models).values()) for models in (systems.models, ["0.3"]))
    references = [[u.references[0] for u in systems.test]]
    difference = (
        sacrebleu.corpus_bleu(mixed, references).score - sacrebleu.corpus_bleu(best, references).score
    )
    assert verdict.rows[0].measured
    assert verdict.rows[0].measured.by_metric["bleu"].difference == pytest.approx(difference)
    page = write_answer(question, systems, verdict, ["judged on: test"], "antiphon claim ensembling")
    assert "**holds**" in page
    assert "| could see |" in page


def test_reranking_learns_though_a_system_lacks_an_utterance(tmp_path: Path) -> None:
    written = utterances(4, 1)
    lists = {
        name: {
            u.id: NBest(
                utterance_id=u.id,
                hypotheses=tuple(
                    Hypothesis(text=text, score=score, n_tokens=13, system=name)
                    for text, score in ((u.references[0], -9.0), ("falsch", worse))
                ),
            )
            for u in written[first:]
        }
        for first, (name, worse) in enumerate((("a", -8.0), ("b", -7.0)), 1)
    }
    coefficients = learn_coefficients(Workbench(tmp_path, lambda text: None), written, lists, "de")
    assert coefficients


def test_what_is_kept_answers_for_its_own_question_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever decides an output is in the key: languages, which part of a recording, and the tokenizer."""
    work, asked = Workbench(tmp_path, lambda text: None), list[str]()
    monkeypatch.setattr(workbench, "_recognize", lambda *_: asked.append("recognize") or [])
    monkeypatch.setattr(workbench, "_translate", lambda *_: asked.append("translate") or [])
    monkeypatch.setattr(refining, "_run_rounds", lambda *_: asked.append("refine") or [])
    monkeypatch.setattr(
        reranking, "mert", lambda *_: asked.append("learn") or SimpleNamespace(coefficients={})
    )
    model = Checkpoint(reference="m", path=str(tmp_path), sha256="0" * 64, architecture="a")
    monkeypatch.setattr(workbench, "resolve", lambda _: model)
    (written,), audio = utterances(1, 1), Audio(path="a", sha256="0" * 64, seconds=1.0, sample_rate=16000)
    spoken = written.model_copy(update={"audio": audio})
    french = {"source_language": "fr"}
    later = {"audio": audio.model_copy(update={"offset": 1.0})}
    longer = {"audio": audio.model_copy(update={"seconds": 2.0})}

    def ask_all(utterance: Utterance, language: str = "de") -> list[str]:
        asked.clear()
        work.transcribe([utterance], RecognitionConfig(model="m"))
        work.list_translations([utterance], TranslationConfig(model="m"))
        refining.refine(work, [utterance], {utterance.id: "a"}, RefineConfig(model="m"), 1)
        learn_coefficients(work, [utterance], {}, language)
        return list(asked)

    every = ["recognize", "translate", "refine", "learn"]
    assert [ask_all(spoken), ask_all(spoken)] == [every, []]
    assert [ask_all(spoken.model_copy(update=change)) for change in (french, later, longer)] == [
        ["recognize", "translate", "refine"],
        ["recognize"],
        ["recognize"],
    ]
    assert ask_all(spoken, "ja") == ["learn"]
    model = model.model_copy(update={"tokenizer_sha256": "1" * 64})
    assert ask_all(spoken) == ["recognize", "translate", "refine"]


def test_what_cannot_be_asked_is_refused_in_one_line(
    systems: Systems, capsys: pytest.CaptureFixture[str]
) -> None:
    question = QUESTIONS["ensembling"]
    with pytest.raises(ConfigError, match=r"expected --models of 2\+ translators, found 1"):
        question.check(["a"], dev=True)
    with pytest.raises(ConfigError, match=r"expected --models of 2 models: a recognizer, then a .*, found 3"):
        QUESTIONS["transcript_as_check"].check(["a", "b", "c"], dev=False)
    with pytest.raises(ConfigError, match="expected --models of 3 recognizers, found 4"):
        QUESTIONS["rover"].check([*"abcd"], dev=True)
    with pytest.raises(ConfigError, match="expected every model once, found a twice"):
        question.check(["a", "a"], dev=True)
    with pytest.raises(ConfigError, match="expected --dev SET"):
        question.check(["a", "b"], dev=False)
    with pytest.raises(ConfigError, match="at least 10 utterances of --dev, found 9"):
        ask(question, replace(systems, dev=systems.dev[:9]))
    with pytest.raises(ConfigError, match="at least 10 utterances of --data, found 9"):
        question.check_data(systems.dev, systems.test[:9])
    with pytest.raises(ConfigError, match="at least 50 utterances of --dev, found 49"):
        QUESTIONS["few_examples"].check_data(systems.dev[:49], systems.test)
    with pytest.raises(ConfigError, match="found packaged:multi30k-en-de"):
        Workbench(Path()).check(["packaged:multi30k-en-de", "packaged:whisper-base"], 1, ("en", "de"))
    without = (*systems.test[:-1], systems.test[-1].model_copy(update={"references": ()}))
    with pytest.raises(
        ConfigError, match="expected references of every utterance of --data, found none of 1"
    ):
        question.check_data(systems.dev, without)
    apart = [u.model_copy(update={"text": u.id}) for u in (*systems.dev, *systems.test)]
    with pytest.raises(ConfigError, match="found 1 of 60 utterances of --data in it"):
        question.check_data(apart[:61], apart[60:])
    ended = run_command(capsys, "claim", "ensembing", "--models", "a", "b", "--data", "x")
    assert ended.code == 2 and "did you mean ensembling?" in ended.err
    ended = run_command(capsys, "claim", "cost", "--models", "a", "b", "--data", "x", "--out", "none/a.md")
    assert ended.code == 2 and "--out: expected a file in a folder that is there" in ended.err


def test_what_a_process_of_its_own_refuses_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = subprocess.CompletedProcess([], 1, "", "a warning\nno model there")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: ended)
    with pytest.raises(ModelError, match=r"^cost of a \+ b: cannot be measured: no model there$"):
        measure_apart(["a", "b"], ["a"] * 30, ("en", "de"))


def test_every_question_names_comparisons_that_it_measures(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(QUESTIONS) >= 12
    assert run_for_json(capsys, "claim", "list")[1]["claims"].keys() == QUESTIONS.keys()
    for name in QUESTIONS:
        claim = QUESTIONS[name].claim
        assert claim.primary, name
        assert claim.name == name
