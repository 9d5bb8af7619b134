"""What a user gets wrong is told before anything is computed: every fault, a line each, exit code 2."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components import models
from components.data.files.named_sets import SAMPLES
from components.data.stage import store_data
from components.errors import ConfigError, TransientError
from components.metrics import normalizers
from components.pipeline.reading.reader import read_pipeline
from components.records import Utterance
from components.run_record import NodeRecord, PipelineRecord
from components.storage.store import Store
from components.synthesis import engines
from components.training.kinds.train import Train
from components.translation import checks as translation
from components.translation.config import TranslationConfig
from flows.checks import Check, check_against_data, checks_of_pipeline, run_checks
from flows.cli import main as cli
from flows.cli.compute import run
from flows.cli.compute.parameters.config_file import gather
from flows.parameters.base import FlowParameters
from flows.preflight import Preflight
from flows.registry import flow_named
from tests.command import exit_code_of, run_command
from tests.components.storage.test_store import record
from tests.components.storage.written import written
from tests.components.synthesis.double import ENGINE

TALK = str(Path(str(SAMPLES)).parent / "caption-01.flac")


@pytest.fixture(autouse=True)
def nothing_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No model is at hand, none can be fetched, and no licence has been agreed to."""
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ANTIPHON_ACCEPT_LICENCE", raising=False)
    monkeypatch.setattr(
        "components.models.packages.wheels.join", lambda *_: pytest.fail("a model was fetched")
    )


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """What a command says that is refused for its configuration, after it has said that it starts."""
    ended = run_command(capsys, *arguments)
    assert ended.code == 2
    return [line for line in ended.err.splitlines() if not line.endswith(" starting")]


@pytest.fixture(autouse=True)
def captions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The data set that trainings name by default, wherever the tests run."""
    for split in ("train", "val"):
        for language in ("en", "de", "fr", "cs"):
            (tmp_path / f"{split}.{language}").write_text("one line\n")
    monkeypatch.setenv("ANTIPHON_MULTI30K", str(tmp_path))


def test_all_faults_are_told_at_once_and_no_run_is_begun(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    wrong = ["asr.model=packaged:nope", "mt.model=packaged:whisper-bas", "data=absent.jsonl"]
    sets = [part for one in wrong for part in ("--set", one)]
    lines = told(capsys, "run", "cascade", "--store", str(tmp_path / "store"), *sets)
    assert [line.split(": ")[:2] for line in lines] == [["antiphon", s] for s in ("data", "asr", "mt")]
    assert "did you mean packaged:whisper-base?" in lines[2]
    assert not (tmp_path / "store").exists()


ASR_AND, MT_AND = "asr.members=[packaged:whisper-base, {}]", "mt.members=[packaged:multi30k-en-de, {}]"


@pytest.mark.parametrize(
    ("flow", "assignments", "fault"),
    [
        ("cascade", ["asr.device=cuda:99"], "asr: device: expected"),
        ("cascade", ["mt.examples=absent.jsonl"], "mt: absent.jsonl: expected a readable"),
        ("cascade", ["audio=absent-*.wav"], "data: absent-.*: expected a file, folder or pattern"),
        ("cascade", ["data=null"], "data: expected a data set or recordings"),
        (
            "ensemble",
            ["asr.members=[packaged:whisper-base, packaged:nope]"],
            "asr.systems.1: packaged:nope: no such packaged model",
        ),
        (
            "ensemble",
            ["mt.members=[packaged:multi30k-en-de, store:00000000]"],
            "mt: store:00000000: expected one stage",
        ),
        (
            "ensemble",
            ["mt.members=[packaged:multi30k-en-de, packaged:gemma-3-270m]"],
            "mt: packaged:gemma-3-270m needs your consent",
        ),
        (
            "ensemble",
            ["mt.members=[packaged:multi30k-en-de, packaged:multi30k-en-de]", "combine.coefficients=[1]"],
            "mt: coefficients",
        ),
        ("ensemble", [], "expected two models at least"),
        (
            "refine",
            ["refine.gate_model=packaged:gemma-3-270m"],
            "refine: packaged:gemma-3-270m needs your consent",
        ),
        ("refine", ["refine.gate=reference_chrf", "refine.reported=chrf"], "refine: gate reference_chrf"),
        ("refine", ["draft=absent"], "draft: no run 'absent'"),
        ("stack", ["stack.model=packaged:nope"], "stack: packaged:nope"),
        ("stack", ["learn.dev=absent.jsonl"], "stack: absent.jsonl: expected a manifest"),
        ("stack", ["stack.method=pooled", "learn.speech_model=whisper:huge"], "stack: whisper:huge: no such"),
        ("merge", ["recipe=absent.yml"], "merge: absent.yml"),
        (
            "merge",
            ['recipe="merge_method: linear\\nmodels: [{model: packaged:nope}]\\n"'],
            "merge: packaged:nope",
        ),
        ("train", ["init_from=packaged:nope"], "training: packaged:nope"),
        ("train", ["d_model=64", "num_heads=5"], "training: num_heads: expected a divisor"),
        ("train", ["test=absent.jsonl"], "test: absent.jsonl"),
        ("train", ["kind=deliberation"], "training: init_from: expected a translation model"),
        ("experts", ["target_language='de,german'"], "training: expected a language code.*did you mean de"),
        ("distill", ["teacher.model=packaged:nope"], "mt: packaged:nope"),
        ("distill", ["teacher.members=[packaged:multi30k-en-de, packaged:nope]"], "mt: packaged:nope"),
        ("distill", ["level=word", "teacher.run=r"], "teacher.run: the word level needs"),
        ("distill", ["student.kind=deliberation"], "student.kind: expected translation, found deliberation"),
        (
            "cascade",
            ["model_metrics=[comet:packaged:nope]"],
            "model_metrics: packaged:nope: no such packaged model",
        ),
        ("pipeline", ['graph="[a, b]"'], "graph: expected a mapping with nodes, found list"),
        (
            "pipeline",
            ["graph={nodes: {mt: {kind: translate, of: data}}}", "until=tm"],
            "until: there is no node 'tm'; did you mean mt?",
        ),
        (
            "compare",
            ["runs=[a, b]", "primary=[{system: c, metric: bleu}]"],
            "systems: primary: expected one of a, b, found 'c'",
        ),
        ("compare", ["runs=[absent, b]"], "runs: no run 'absent'"),
        (
            "compare",
            ["systems=[{name: a, parameters: {mt: {model: packaged:nope}}}, {name: b, parameters: {x: 1}}]"],
            "a: mt: packaged:nope(.|\n)*systems: b: x: no such parameter",
        ),
    ],
)
def test_every_stage_of_every_flow_is_looked_at(
    flow: str, assignments: list[str], fault: str, tmp_path: Path
) -> None:
    entry = flow_named(flow)
    parameters = gather(entry.parameters, None, assignments, {"store": str(tmp_path / "store")})
    with pytest.raises(ConfigError, match=fault):
        run_checks(entry.checks(parameters))


def test_an_n_best_beyond_the_beam_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"mt: n_best: .*at most beam_size 2, found 3; leave n_best out, lower"
    ):
        gather(flow_named("cascade").parameters, None, ["mt.beam_size=2", "mt.n_best=3"], {})


def test_a_pair_of_languages_that_the_model_has_not() -> None:
    config = TranslationConfig(model="packaged:multi30k-en-de")
    for pairs in [("en", "de")], [("und", "de")], [("fr", "cs"), ("en-GB", "de")], [("en", None)]:
        translation.validate_model(config, None, frozenset(pairs))
    with pytest.raises(
        ConfigError, match=r"from en to fr: choose another model .*packaged:qwen2.5-coder-0.5b"
    ):
        translation.validate_model(config, None, frozenset({("en", "fr")}))
    with pytest.raises(ConfigError, match=r"from en to sw: .*none of the packaged ones does it"):
        translation.validate_model(config, None, frozenset({("en", "sw")}))
    with pytest.raises(ConfigError, match="from pt without a target language: set target_language"):
        translation.validate_model(config, None, frozenset({("pt", None)}))


def test_a_model_of_another_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = flow_named("cascade")
    shipped = "packaged:multi30k-en-de"
    checks = {
        check.stage: check
        for check in entry.checks(gather(entry.parameters, None, [f"asr.model={shipped}"], {}))
    }
    with pytest.raises(ConfigError, match=r"expected a Whisper model, found .*\(MarianMTModel\)"):
        checks["asr"].admit(frozenset())
    result = models.resolve(shipped).model_copy(update={"architecture": "WhisperForConditionalGeneration"})
    monkeypatch.setattr(models, "resolve", lambda *_: result)
    with pytest.raises(ConfigError, match="expected a model that translates text, found Whisper"):
        checks["mt"].admit(frozenset())


@pytest.mark.parametrize("flow", ["cascade", "ensemble", "refine", "stack", "compare"])
def test_recordings_wherever_data_are(flow: str) -> None:
    model: Any = flow_named(flow).parameters
    parameters = model.model_validate({"audio": TALK})
    assert (parameters.data, parameters.audio) == (None, TALK)
    # A flow that is called gets its defaults beside what is set.
    assert model.model_validate({"audio": TALK, "data": model.model_fields["data"].default}).data is None
    with pytest.raises(ConfigError, match=f"^expected data or audio, found both .mine.jsonl and {TALK}"):
        gather(model, None, [], {"audio": TALK, "data": "mine.jsonl"})


@pytest.mark.parametrize("flow", ["train", "experts", "distill", "stack"])
def test_a_long_training_by_defaults_asks_first(
    flow: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(engines.ENGINES, "piper", ENGINE)
    (line,) = told(capsys, "run", flow, "--name", "mine")
    assert "updates" in line
    assert "minutes" in line
    assert "--yes" in line
    parts = {
        "train": "max_steps=10",
        "experts": "max_steps=10",
        "distill": "student.limit=9",
        "stack": "learn.steps=9",
    }

    def go_on(*_: object) -> None:
        raise ConfigError("it goes on")

    monkeypatch.setattr(run, "call_flow", go_on)
    for more in ["--set", parts[flow]], ["--yes"]:
        assert told(capsys, "run", flow, *more) == ["antiphon: it goes on"]


def test_what_a_confirmation_would_not_mend_is_refused_before_it_is_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines.shutil, "which", lambda name: None)
    (line,) = told(capsys, "run", "stack", "--set", "synthesis.engine=flite")
    assert line.startswith("antiphon: speech: synthesis: expected the program flite on PATH, found none")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["run", "cascad"], "found 'cascad'; did you mean cascade?"),
        (
            ["run", "merge"],
            "merge: expected a recipe .recipe=recipe.yml., or models and method uniform_soup or greedy_soup$",
        ),
        (["run", "graph.yaml", "-c", "b.yaml"], "--config: expected one file, found graph.yaml and b.yaml"),
        (["run", "pipeline", "--set", "graph=[a, b]"], "graph: expected a mapping with nodes, found a list$"),
        (["report"], "report: expected the name of a run, or --index for the index of all runs"),
        (
            ["report", "--index", "--scores", "esa=x.tsv"],
            "--scores: expected the name of the run that they are of",
        ),
        (["campaign", "a", "b", "--items", "0"], "--items: expected"),
        (["run", "cascade", "--set", "model_metrics=[comet:hub:a/b, comet:hub:c/d]"], "found comet twice"),
        (
            ["run", "compare", "--set", "systems=[{name: a, mt: b}, {name: b}]"],
            "systems.0.mt: no such parameter$",
        ),
        (["run", "cascade", "--data", "sample", "--audio", TALK], "expected --data or --audio, found both"),
        (["run", "train", "--audio", TALK], "--audio: train takes none"),
        (
            ["run", "cascade", "--target-language", "german"],
            "--target-language: .*'german'; did you mean de?",
        ),
        (["run", "cascade", "--audio", "a\udcff.wav"], "expected arguments in UTF-8"),
        (["run", "cascade", "--set", "data=" + "x" * 600_000], "parameters: expected at most 512 KiB"),
    ],
)
def test_slips(arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    (result,) = told(capsys, *arguments)
    assert re.search(line.replace("?", r"\?"), result)


def test_the_name_of_a_flow_is_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "cascade")[-1].endswith(
        "No such command 'cascade'. Did you mean 'antiphon run cascade'?"
    )


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    ended = run_command(capsys, "--version")
    assert ended.code == 0
    assert ended.out.startswith("antiphon 0.")


def test_the_version_outside_of_a_checkout_has_no_commit(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli.shutil, "which", lambda name: None)
    ended = run_command(capsys, "--version")
    assert re.fullmatch(r"antiphon [0-9][^ ]*\n", ended.out)


def test_what_a_wrong_value_says(capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = told(capsys, "run", "cascade", "--name", "bad name/x")
    assert line.count("found") == 1
    assert "Value error" not in line
    (line,) = told(capsys, "run", "cascade", "--store", "s3://AKIA:SECRET@bucket/x?token=TOKEN")
    assert "SECRET" not in line
    assert "TOKEN" not in line
    (line,) = told(capsys, "run", "cascade", "--set", f"limit={json.dumps('x' * 5000)}")
    assert len(line) < 400


def test_a_normalizer_without_its_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(normalizers, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"normalizer open-asr: .*pip install 'antiphon\[open-asr\]'"):
        gather(flow_named("cascade").parameters, None, ["normalizer=open-asr"], {})


def test_a_translation_into_a_language_that_the_data_do_not_ask_for(tmp_path: Path) -> None:
    nodes = {"mt": {"kind": "translate", "of": "data", "to": "fr", "model": "packaged:qwen2.5-coder-0.5b"}}
    graph = read_pipeline({"nodes": nodes, "outputs": {"translation": "mt"}})
    checks = {check.stage: check for check in checks_of_pipeline(graph, str(tmp_path), 0)}
    checks["target_language"].admit(frozenset({("en", "fr-CA")}))
    with pytest.raises(ConfigError, match="expected de, which nothing gives: the translation is mt, into fr"):
        checks["target_language"].admit(frozenset({("en", "de")}))


def test_a_draft_without_translations_is_refused(tmp_path: Path) -> None:
    Store(str(tmp_path)).save_run(record("old"))
    entry = flow_named("refine")
    parameters = gather(entry.parameters, None, ["draft=old"], {"store": str(tmp_path)})
    with pytest.raises(
        ConfigError, match="draft old: expected a run with the stages data and mt, found none; "
    ):
        run_checks(entry.checks(parameters))


def test_a_run_without_parts_is_refused_a_contribution(tmp_path: Path) -> None:
    nodes = {"mt": {"kind": "translate", "model": "packaged:multi30k-en-de"}}
    parameters = {"graph": {"nodes": nodes}, "data": "sample"}
    values = {
        "flow": "pipeline",
        "parameters": parameters,
        "pipeline": read_pipeline({"nodes": nodes}).to_record(),
    }
    Store(str(tmp_path)).save_run(record("old").model_copy(update=values))
    entry = flow_named("contribution")
    asked = gather(entry.parameters, None, [], {"store": str(tmp_path), "run": "old"})
    with pytest.raises(ConfigError, match=r"run: expected a node with several members, .* found none in mt"):
        run_checks(entry.checks(asked))


def test_speech_without_references_is_refused_a_blame(tmp_path: Path) -> None:
    nodes = {"asr": {"kind": "recognize"}, "mt": {"kind": "translate", "of": "asr"}}
    store, text = Store(str(tmp_path)), Utterance(id="u", text="a dog", source_language="en")
    values = {
        "flow": "pipeline",
        "parameters": {"graph": {"nodes": nodes}, "data": "sample", "target_language": "de"},
        "pipeline": read_pipeline({"nodes": nodes}).to_record(),
        "stages": (written(store, "data", [text]), written(store, "asr", []), written(store, "mt", [])),
    }
    store.save_run(record("old").model_copy(update=values))
    entry = flow_named("blame")
    asked = gather(entry.parameters, None, [], {"store": str(tmp_path), "run": "old"})
    with pytest.raises(ConfigError, match="blame: expected spoken utterances with a reference transcript"):
        run_checks(entry.checks(asked))


def test_a_network_that_is_down_is_no_fault_of_the_configuration() -> None:
    def fail() -> None:
        raise TransientError("the hub: expected an answer, found none")

    with pytest.raises(TransientError, match="the hub"):
        run_checks([Check("mt", fail)])


def test_nodes_are_refused_that_have_nothing_to_do_with_data_of_speech_or_of_texts(tmp_path: Path) -> None:
    def checks(**nodes: object) -> list[Check]:
        pipeline = read_pipeline({"nodes": nodes, "target_language": "de"})
        # no model is looked for: what nodes read is the question
        return [replace(check, admit=lambda pairs: None) for check in checks_of_pipeline(pipeline, None, 0)]

    speech = store_data(None, TALK, (None, "de"), None, Store(str(tmp_path)))
    (tmp_path / "letter.en").write_text("One line.\n")
    letter = store_data(str(tmp_path / "letter.en"), None, (None, "de"), None, Store(str(tmp_path)))
    mt = {"kind": "translate", "of": "data", "model": "packaged:multi30k-en-de"}
    with pytest.raises(ConfigError, match=r"^mt: expected written texts in the data"):
        check_against_data(checks(mt=mt, again={"kind": "refine", "of": "mt"}), speech)
    check_against_data(checks(mt=mt), letter)
    asr = {"kind": "recognize"}
    check_against_data(checks(asr=asr, mt=mt), speech)  # data may hold both, and these have speech
    with pytest.raises(ConfigError, match=r"^asr: expected speech in the data.*\nb: expected speech"):
        check_against_data(checks(asr=asr, b=asr), letter)
    check_against_data(checks(asr=asr, mt={**mt, "of": "asr"}), letter)  # the translator reads the texts
    check_against_data(checks(asr=asr, mt=mt), letter)


def test_of_written_texts_no_model_is_fetched_that_would_not_read_them(tmp_path: Path) -> None:
    """A recognizer, and a refinement of its transcripts, pass them: the packaged translator is enough."""
    for language, line in (("en", "a dog"), ("de", "ein Hund")):
        (tmp_path / f"s.{language}").write_text(f"{line}\n")
    graph = {
        "asr": {"kind": "recognize", "model": "packaged:whisper-base"},
        "better": {"kind": "refine", "of": "asr", "gate": "fluency"},
        "mt": {"kind": "translate", "of": "better", "model": "packaged:multi30k-en-de"},
    }
    file = tmp_path / "graph.yaml"
    file.write_text(json.dumps({"nodes": graph}))
    data = f"{tmp_path}/s.en,{tmp_path}/s.de"
    assert exit_code_of("plan", str(file), "--data", data, "--store", str(tmp_path / "store")) == 0


@pytest.mark.parametrize(
    ("flow", "values", "fault"),
    [
        *((flow, {"run": "talk"}, "no run 'talk'.*mean talks") for flow in ("blame", "contribution")),
        ("improve", {"run": "talk"}, "no run 'talk'.*mean talks"),
        ("simultaneous", {"run": "talk"}, "no run 'talk'.*mean talks"),
        ("simultaneous", {"run": "talks", "policy": "waitk:3"}, "found 'waitk'; did you mean wait_k"),
        ("simultaneous", {"run": "talks", "policy": "ast=fixed"}, "no node 'ast'; did you mean asr"),
        ("simultaneous", {"run": "talks", "log": "gone.jsonl"}, "log: expected a file"),
        ("watch", {"runs": ["talk"]}, "no run 'talk'.*mean talks"),
        ("watch", {"runs": ["talks"]}, "accepted: expected one accepted run of cascade, found none"),
        ("watch", {"audio": "x", "accepted": "talk"}, "no run 'talk'.*mean talks"),
        ("watch", {}, "expected one of runs, data and audio, found none"),
        ("design", {"templates": ["singel"]}, "^templates: there is no template 'singel'; did you mean"),
    ],
)
def test_names_are_refused_before_prefect_starts(
    flow: str, values: dict[str, Any], fault: str, tmp_path: Path
) -> None:
    store = Store(str(tmp_path))
    asr = NodeRecord(name="asr", kind="recognize", output="text")
    store.save_run(record("talks", pipeline=PipelineRecord(nodes=(asr,))))
    entry = flow_named(flow)
    with pytest.raises(ConfigError, match=fault):
        run_checks(entry.checks(entry.parameters.model_validate({**values, "store": str(tmp_path)})))


def test_a_flow_without_a_graph_says_so() -> None:
    with pytest.raises(ConfigError, match="compare: expected a flow over a data set, found none"):
        flow_named("compare").pipeline(None)


def test_one_translator_beside_recognizers_is_not_combined(tmp_path: Path) -> None:
    entry = flow_named("ensemble")
    sets = ["asr.members=[packaged:whisper-base, packaged:whisper-tiny.en]", "combine.method=output_level"]
    graph = entry.pipeline(gather(entry.parameters, None, sets, {"store": str(tmp_path)}))
    assert [(node.name, node.kind.name) for node in graph if node.kind.name == "translate"] == [
        ("mt", "translate")
    ]


def test_what_a_training_starts_from_is_checked_without_a_data_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ConfigError("no joint vocabulary")

    monkeypatch.setattr(Train, "validate_models", refuse)
    pipeline = read_pipeline({"nodes": {"student": {"kind": "train"}}})
    with pytest.raises(ConfigError, match="student: no joint vocabulary"):
        Preflight(pipeline, FlowParameters()).admit({}, lambda _: pytest.fail("there is no data set"))
