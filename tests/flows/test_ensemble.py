"""The ensemble flow, on toy models that the train flow made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sacrebleu.metrics.chrf import CHRF

from components.attribution.contributions import CONTRIBUTION
from components.compute.device import pick_device
from components.errors import ConfigError
from components.files.files import read_json
from components.models.references import shorten_keys
from components.records import NBest
from components.run_record import RunRecord
from components.storage.stages.reader import (
    read_best_texts,
    read_nbests,
    read_nbests_by_id,
    read_plan,
    read_utterances,
)
from components.storage.stages.whole_stage import TABLES
from components.storage.store import Store
from flows.preset_flow import cascade, ensemble, train
from flows.python_flows.contribution import contribution
from flows.python_flows.pipeline import pipeline
from reports.page.report_view import view_of
from tests.command import run_command
from tests.components.stacking import tiny
from tests.components.training.tiny import TINY, draw_lines, write_copies


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory, server: None) -> dict[str, str]:
    """A store with two translators of one vocabulary and a language model; ``text`` is their data."""
    folder = tmp_path_factory.mktemp("toy")
    text, store = write_copies(folder, draw_lines(40)), str(folder / "store")
    budget = {"max_steps": 60, "eval_every": 60, "eval_sentences": 4, "average_checkpoints": 1}
    settings: dict[str, Any] = {**TINY, **budget, "data": text, "dev": text, "store": store}

    def key(**changes: Any) -> str:
        trained = train(**{**settings, "warmup_steps": 10, "learning_rate": 0.01, **changes})
        return f"store:{trained.stages[0].key}"

    first = key()
    same = {"tokenizer": first}
    return {
        "text": text,
        "store": store,
        "first": first,
        "second": key(seed=2, **same),
        "language": key(kind="language_model", **same),
        "odd": key(seed=3, limit=5),
    }


def run(toy: dict[str, str], name: str, mt: dict[str, Any], **combine: Any) -> RunRecord:
    values = {"beam_size": 2, "n_best": 2, "max_tokens": 20, **mt}
    mixing = {"dev": toy["text"], "dev_sentences": 20, **combine}
    return ensemble(data=toy["text"], limit=12, store=toy["store"], name=name, mt=values, combine=mixing)


def translations(found: RunRecord) -> dict[str, str]:
    return read_best_texts(next(stage for stage in found.stages if stage.stage == "mt"))


def first_tokens(found: RunRecord) -> NBest:
    return next(read_nbests(next(stage for stage in found.stages if stage.stage == "mt")))


def test_the_same_model_twice_is_that_model(toy: dict[str, str]) -> None:
    mt = {"model": toy["first"], "beam_size": 2, "n_best": 2, "max_tokens": 20}
    alone = cascade(data=toy["text"], limit=12, store=toy["store"], name="alone", mt=mt)
    twice = run(toy, "twice", {"model": toy["first"], "members": [toy["first"]]})
    assert translations(twice) == translations(alone)
    token = first_tokens(twice).best.tokens[0]
    assert set(token.members) == {f"{toy['first']} #1", f"{toy['first']} #2"}
    assert list(token.weights.values()) == [0.5, 0.5]


def test_learned_coefficients_are_kept_and_used(toy: dict[str, str]) -> None:
    two = {"model": toy["first"], "members": [toy["second"]]}
    for method, learn in (("linear", "constants"), ("log_linear", "constants"), ("linear", "gate")):
        result = run(toy, f"{method}-{learn}", two, method=method, learn=learn)
        stage = next(stage for stage in result.stages if stage.stage == "mt-coefficients")
        stored = json.loads((Path(stage.path) / "coefficients.json").read_text(encoding="utf-8"))
        assert stored["learned"] >= stored["uniform"] - 1e-9
        plan = read_plan(stage)
        assert plan["parameters"]["device"] == pick_device().type  # a card gives other bytes
        (table,) = json.loads((Path(stage.path) / "tables.json").read_text(encoding="utf-8"))["tables"]
        assert [float(row["weight"]) for row in table["rows"]] == pytest.approx(stored["weights"], abs=1e-4)
        assert ("lost without it" in table["columns"]) == ((method, learn) == ("linear", "constants"))
        if learn == "constants":
            assert list(first_tokens(result).best.tokens[0].weights.values()) == pytest.approx(
                stored["weights"]
            )
        assert result.metrics["bleu"].n_total == 12
        note = next(note for note in result.notes if note.startswith("mt-coefficients: "))
        assert ("a gate, on average" in note) == (learn == "gate") and "nats a token of dev" in note
    again = run(toy, "again", two, method="linear", learn="gate")
    assert all(stage.reused for stage in again.stages)


def test_what_copies_over_dev_learned_alike_is_said_once(toy: dict[str, str]) -> None:
    mixing = {"learn": "constants", "dev": toy["text"], "dev_sentences": 20}
    mixed = {"kind": "translate", "of": "data", "model": toy["first"], "members": [toy["second"]]}
    nodes = {
        "one": {"kind": "translate", "of": "data", "model": toy["first"]},
        "two": {**mixed, "combine": {"method": "linear", **mixing}},
        "mt": {"kind": "combine", "of": ["one", "two"], "method": "reranking", "dev": toy["text"]},
    }
    result = pipeline(graph={"nodes": nodes}, data=toy["text"], limit=12, store=toy["store"])
    assert [note.partition(":")[0] for note in result.notes if "nats" in note] == ["two-coefficients"]


def test_negative_evidence_searches_its_strength(toy: dict[str, str]) -> None:
    evidence = {"method": "negative_evidence", "positive": toy["language"], "negative": toy["language"]}
    same = run(toy, "evidence", {"model": toy["first"]}, **evidence, learn="constants")
    stage = next(stage for stage in same.stages if stage.stage == "mt-coefficients")
    stored = json.loads((Path(stage.path) / "coefficients.json").read_text(encoding="utf-8"))
    (table,) = json.loads((Path(stage.path) / "tables.json").read_text(encoding="utf-8"))["tables"]
    assert [float(row["strength"]) for row in table["rows"]] == [*map(float, stored["likelihoods"])]
    assert len(set(stored["likelihoods"].values())) == 1  # both models are one: no evidence at any strength
    off = run(toy, "off", {"model": toy["first"]}, **evidence, strength=0.0)
    assert translations(off) == translations(same)


def test_dropout_members_are_mixed_or_each_alone(toy: dict[str, str]) -> None:
    mt = {"model": toy["first"], "dropout_members": 2}
    thinned = run(toy, "dropout", mt)
    assert len(first_tokens(thinned).best.tokens[0].members) == 2
    pooled = run(toy, "dropouts", mt, method="output_level")
    stages = {stage.stage: stage for stage in pooled.stages}
    assert [stage.kind for stage in pooled.stages][1:4] == ["translate", "translate", "combine"]
    assert read_best_texts(stages["mt-1"]) != read_best_texts(stages["mt-2"])  # other masks
    assert all(stage.reused for stage in run(toy, "dropouts-again", mt, method="output_level").stages)


def check_oracle(pooled: RunRecord) -> None:
    """The oracle beside a pool is the best candidate of both lists, by sacreBLEU's sentence chrF."""
    stages = {stage.stage: stage for stage in pooled.stages}
    chrf = CHRF()
    lists = [read_nbests_by_id(stages[name]) for name in ("mt-1", "mt-2")]
    best, references = [], []
    for utterance in read_utterances(stages["data"]):
        texts = [h.text for nbests in lists for h in nbests[utterance.id].hypotheses]
        references.append(utterance.references[0])
        best.append(max(texts, key=lambda text: chrf.sentence_score(text, [references[-1]]).score))
    score = pooled.metrics["oracle_chrf"]
    assert score.value == pytest.approx(chrf.corpus_score(best, [references]).score)
    assert score.signature.endswith("|oracle:best-sentence")
    assert "mt-1_oracle_chrf" not in pooled.metrics  # the lists are in the table alone
    (table,) = read_json(Path(stages["pools"].path) / TABLES)["tables"]
    assert table["note"].endswith("so they bound chrF2 and are no systems.")  # of BLEU others may be better
    assert [(row["node"], row["metric"]) for row in table["rows"]][::2] == [
        ("mt", "chrF2"),
        ("mt-1", "chrF2"),
        ("mt-2", "chrF2"),
    ]


def test_pooled_members_stay_in_the_run(toy: dict[str, str]) -> None:
    pooled = ensemble(
        data=toy["text"],
        limit=12,
        store=toy["store"],
        name="pooled",
        mt={"model": toy["first"], "members": [toy["second"]], "beam_size": 2, "n_best": 2, "max_tokens": 20},
        combine={"method": "output_level"},
        system_combination={"method": "minimum_bayes_risk"},
    )
    assert [stage.stage for stage in pooled.stages][1:4] == ["mt-1", "mt-2", "mt"]
    check_oracle(pooled)
    view = view_of(pooled, Store(toy["store"]))
    models = {row.stage: list(row.models) for row in view.stages()}
    assert (models["mt-1"], models["mt-2"]) == ([toy["first"]], [toy["second"]])
    assert [edge.above for edge in view.edges() if edge.below == "mt"] == ["mt-1", "mt-2"]
    mixed = view_of(
        run(toy, "twins", {"model": toy["first"], "members": [toy["second"]]}), Store(toy["store"])
    )
    (mt,) = (row for row in mixed.stages() if row.stage == "mt")
    assert list(mt.models) == [toy["first"], toy["second"]]


def test_members_of_other_tokenizers_are_mixed_over_a_shared_vocabulary(toy: dict[str, str]) -> None:
    two = {"model": toy["first"], "members": [toy["odd"]]}
    for how in ("intersection", "union"):
        result = run(toy, how, two, vocabulary=how)
        lost = {n.split()[1] for n in result.notes if "to pieces outside the shared vocabulary" in n}
        assert lost == {shorten_keys(toy["first"]), shorten_keys(toy["odd"])}
        assert set(first_tokens(result).best.tokens[0].members) <= {toy["first"], toy["odd"]}


def test_reranking_is_learned_on_development_data(toy: dict[str, str]) -> None:
    def reranked(name: str, **settings: Any) -> RunRecord:
        mt = {
            "model": toy["first"],
            "members": [toy["second"]],
            "beam_size": 2,
            "n_best": 2,
            "max_tokens": 20,
        }
        combination = {"method": "reranking", "utility": "bleu", **settings}
        values = {"data": toy["text"], "store": toy["store"], "limit": 12, "name": name, "mt": mt}
        return ensemble(**values, combine={"method": "output_level"}, system_combination=combination)

    with pytest.raises(ConfigError, match=r"system_combination\.dev: expected development data"):
        reranked("undeveloped")
    learned = reranked("learned", dev=toy["text"], dev_limit=20)
    names = [stage.stage for stage in learned.stages]
    copies = {"data--dev", "mt-1--dev", "mt-2--dev", "mt--fit"}
    assert {*names[1:8]} == {*copies, "mt-1", "mt-2", "mt"}
    stage = learned.stages[names.index("mt--fit")]
    stored = json.loads((Path(stage.path) / "coefficients.json").read_text(encoding="utf-8"))
    assert stage.items == 20
    assert stored["score"] >= stored["single"]
    by_hand = reranked("given", coefficients=stored["coefficients"])
    assert translations(by_hand) == translations(learned)


def test_recognizers_of_one_vocabulary_are_mixed(toy: dict[str, str], tmp_path: Path) -> None:
    whisper = str(tiny.whisper(tmp_path / "whisper"))
    tones = [tiny.tone(tmp_path / f"t{n}.wav", 200.0 * (n + 1)) for n in range(2)]
    rows = [{"id": t.id, "audio": t.audio.path, "transcript": "ein hund"} for t in tones if t.audio]
    data = tmp_path / "tones.jsonl"
    data.write_text("\n".join(json.dumps({**row, "source_language": "en"}) for row in rows))
    asr = {"model": whisper, "window_seconds": 1.0, "max_tokens": 6, "beam_size": 2, "n_best": 2}
    shared = {"data": str(data), "store": toy["store"], "mt": {"model": toy["first"], "max_tokens": 10}}
    alone = cascade(**shared, name="one-ear", asr=asr)
    twice = ensemble(
        **shared, name="two-ears", asr={**asr, "members": [whisper], "combination": "log_linear"}
    )
    transcripts = [next(s for s in r.stages if s.stage == "asr") for r in (alone, twice)]
    assert read_best_texts(transcripts[0]) == read_best_texts(transcripts[1])
    token = next(read_nbests(transcripts[1])).best.tokens[0]
    assert list(token.weights.values()) == [0.5, 0.5]
    with pytest.raises(ConfigError, match="one vocabulary"):  # refused before anything is recognized
        odd = {**shared, "mt": {"model": toy["first"], "members": [toy["odd"]]}}
        ensemble(**odd, name="unheard", asr=asr | {"beam_size": 1, "n_best": 1})
    assert [s.stage for s in Store(toy["store"]).load_run("unheard").stages] == ["data"]
    with pytest.raises(ConfigError, match="expected 2 weights"):
        wrong = {**asr, "members": [whisper], "combination": "linear", "coefficients": (1.0,)}
        ensemble(**shared, name="wrong", asr=wrong)


def test_what_each_member_contributes(toy: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    whole = run(toy, "whole", {"model": toy["first"], "members": [toy["second"]]})
    ended = run_command(capsys, "contribution", "whole", "--store", toy["store"])
    printed = ended.out
    assert not ended.code
    again = Store(toy["store"]).load_run("whole-contribution")
    assert [ref.reused for ref in again.stages] == [*(True for _ in whole.stages), False]
    (result,) = CONTRIBUTION.read(again.stages[-1]).systems
    labels = [f"training of seed {n} ({toy[name][6:14]})" for n, name in ((1, "first"), (2, "second"))]
    assert [one.part for one in result.shares] == labels
    assert "members of mt" in printed
    assert all(label in printed for label in labels)
    assert result.score.value == pytest.approx(whole.metrics["bleu"].value)
    for name, one in zip(("first", "second"), result.shares, strict=True):
        mt = {"model": toy[name], "beam_size": 2, "n_best": 2, "max_tokens": 20}
        alone = cascade(data=toy["text"], limit=12, store=toy["store"], name=f"{name}-alone", mt=mt)
        assert alone.stages[1].reused
        assert one.share is not None
        assert one.alone.value == pytest.approx(alone.metrics["bleu"].value)
    first, second = (one.alone.value for one in result.shares if one.alone)
    gained = [one.share.value for one in result.shares if one.share]
    assert gained == pytest.approx([(first + result.score.value - other) / 2 for first, other in
                                    ((first, second), (second, first))])  # fmt: skip
    assert (
        "Contribution: members of mt"
        in (Store(toy["store"]).run_folder(again.name) / "report.html").read_text()
    )
    with pytest.raises(ConfigError, match=r"several members, inputs, sources or rounds, .* none in asr, mt$"):
        contribution(run="first-alone", store=toy["store"])


def test_what_each_combined_input_contributes(toy: dict[str, str]) -> None:
    whole = run(toy, "combined", {"model": toy["first"], "members": [toy["second"]]}, method="output_level")
    again = contribution(run="combined", store=toy["store"])
    assert [ref.reused for ref in again.stages] == [
        *(True for _ in whole.stages),
        False,
    ]  # nothing is decoded
    (result,) = CONTRIBUTION.read(again.stages[-1]).systems
    labels = [f"training of seed {n} ({toy[name][6:14]})" for n, name in ((1, "first"), (2, "second"))]
    assert [(one.part, one.model) for one in result.shares] == list(
        zip(("mt-1", "mt-2"), labels, strict=True)
    )
    assert result.score.value == pytest.approx(whole.metrics["bleu"].value)
    alone = [one.alone.value for one in result.shares if one.alone]
    assert alone == pytest.approx([whole.metrics[f"mt-{number}_bleu"].value for number in (1, 2)])


def test_what_cannot_be_mixed_is_refused_with_its_name(toy: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=f"one vocabulary, found {toy['odd']}.*beside {toy['first']}"):
        run(toy, "odd", {"model": toy["first"], "members": [toy["odd"]]})
    with pytest.raises(ConfigError, match="mt: coefficients: expected 2, one per member, found 3"):
        run(toy, "three", {"model": toy["first"], "members": [toy["second"]]}, coefficients=(0.2, 0.3, 0.5))
    with pytest.raises(ConfigError, match=r"mt\.members: expected two models at least"):
        run(toy, "lonely", {"model": toy["first"]})
    with pytest.raises(ConfigError, match=r"negative_evidence: expected one translator.*found no positive"):
        run(toy, "unsure", {"model": toy["first"]}, method="negative_evidence", negative=toy["language"])
