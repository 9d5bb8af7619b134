from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from components.errors import DataError
from components.records import Audio, Hypothesis, NBest, Quarantined, Token
from reports.terminal.run_printing import print_quarantined, print_run
from reports.terminal.stage_printing import print_data, print_stage
from reports.terminal.tables import new_table
from reports.terminal.utterance_printing import print_utterance
from reports.views.run_view import RunView
from tests.reports.example_runs import HOSTILE, cascade, node, routed


@pytest.fixture
def view(tmp_path: Path) -> RunView:
    return cascade(tmp_path, 12)


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200, color_system=None)


def text(console: Console) -> str:
    return console.file.getvalue()


def test_run(view: RunView, console: Console) -> None:
    print_run(view, console)
    for part in ("2026-11-24-cascade", "packaged:whisper-base", "48.7 s", "858 MiB", "reused", "bleu"):
        assert part in text(console)
    assert "32.50 to 37.20" in text(console)
    assert "11 of 12" in text(console)


def test_the_first_texts_of_a_run_are_short_and_say_what_is_left_out(view: RunView, console: Console) -> None:
    first, second = (utterance.id for utterance in view.utterances[:2])
    endless = Hypothesis(text="again " * 200, score=-1.0, n_tokens=200, system="asr")
    outcomes = {"asr": {first: NBest(utterance_id=first, hypotheses=(endless,))}}
    print_run(RunView(view.run, view.utterances, outcomes), console)
    printed = " ".join(text(console).split())
    assert printed.count("again ") == 83
    assert "... (1,200 characters)" in printed
    assert "1 of 12 utterances; more: antiphon inspect 2026-11-24-cascade --node asr" in printed
    assert f" {second} " not in printed  # nothing was made of it


def test_a_long_name_is_not_broken_where_scores_can_be(console: Console) -> None:
    table = new_table("run", "flow", "scores")
    name = "2026-11-27-152400-pipeline-edited-2"
    table.add_row(name, "pipeline", "WER 8.7, BLEU 52.6, chrF2 76.2, COMET 81.0, xCOMET 0.92")
    console.width = 80
    console.print(table)
    assert name in text(console)


def test_stage(view: RunView, console: Console) -> None:
    print_stage(view, "asr", console)
    print_stage(view, "mt", console)
    assert "chrF2" in text(console)
    assert "11 shown, 1 quarantined" in " ".join(text(console).split())
    assert "unreadable audio" in text(console)
    with pytest.raises(DataError, match="asr, mt"):
        print_stage(view, "xyz", console)


def test_utterance(view: RunView, console: Console) -> None:
    print_utterance(view, "caption-0005", console)
    printed = text(console)
    assert "[dogs→fog]" in printed
    assert "WER 14.3" in printed
    assert "Zwei Hunde laufen durch den Schnee." in printed
    with pytest.raises(DataError, match="nobody"):
        print_utterance(view, "nobody", console)


def test_markup_and_control_characters_are_text(view: RunView, console: Console) -> None:
    utterance = view.utterances[3].model_copy(update={"transcript": "[red]x[/red] \x1b[2J \u202e"})
    print_utterance(RunView(view.run, [utterance], view.outcomes), utterance.id, console)
    assert "[red]x[/red] ⟨U+001B⟩[2J ⟨U+202E⟩" in text(console)


def test_why_records_were_quarantined(view: RunView, console: Console) -> None:
    bad = Quarantined(utterance_id="u1", stage="data", reason="missing audio", detail="m:3: \x1b[2J none")
    print_quarantined("data", [bad], 3, "mine", console)
    printed = text(console)
    assert "data: 3 quarantined" in printed
    assert "u1: missing audio: m:3: ⟨U+001B⟩[2J none" in printed
    assert "and 2 more: antiphon inspect mine --node data" in printed
    print_data(view, [bad], console)
    assert "caption-0005" in text(console)
    assert "12 of 12 shown, 1 quarantined" in text(console)


def test_a_stage_of_ways_or_of_speech_has_columns_of_its_own(tmp_path: Path, console: Console) -> None:
    view = routed(tmp_path)
    first, second = view.utterances[:2]
    speech = Audio(path="spoken/a.wav", sha256="a" * 64, seconds=1.5, sample_rate=8000)
    spoken = {
        first.id: first.model_copy(update={"audio": speech}),
        second.id: second.model_copy(update={"audio": None}),
    }
    nodes = (*view.run.pipeline.nodes, node("voice", "synthesize", "heard", output="speech"))
    run = view.run.model_copy(update={"pipeline": view.run.pipeline.model_copy(update={"nodes": nodes})})
    changed = RunView(run, view.utterances, {**view.outcomes, "voice": spoken})
    print_stage(changed, "doubt", console)
    print_stage(changed, "voice", console)
    lines = [" ".join(line.split()) for line in text(console).splitlines()]
    assert {"utterance value way", "utterance value speech"} <= set(lines)
    assert f"{second.id} -0.1 escalate" in lines
    assert f"{first.id} 1.50 s spoken/a.wav" in lines
    assert second.id in lines  # its speech is not there


def test_the_steps_of_an_utterance_mark_what_each_changed(tmp_path: Path, console: Console) -> None:
    view = routed(tmp_path)
    print_utterance(view, view.utterances[0].id, console)
    printed = text(console)
    assert "de-1 refine_round of de: Zwei +große Hunde laufen  (accepted; stopped: maximum" in printed
    assert "heard select of good, fast: the same as good" in printed
    print_utterance(view, view.utterances[1].id, console)
    printed = " ".join(text(console).split())
    assert f"good recognize of data: ended here: too long: {HOSTILE}" in printed
    assert f"quarantined {view.utterances[1].id}: too long: {HOSTILE}" in printed
    nodes = tuple(
        each.model_copy(update={"status": "skipped"}) if each.name == "de-1" else each
        for each in view.run.pipeline.nodes
    )
    run = view.run.model_copy(update={"pipeline": view.run.pipeline.model_copy(update={"nodes": nodes})})
    outcomes = {name: records for name, records in view.outcomes.items() if name != "de-1"}
    console.file = io.StringIO()
    print_utterance(RunView(run, view.utterances, outcomes), view.utterances[0].id, console, "heard")
    assert "heard select of good, fast: the same as good" in text(console)
    assert "nothing to do" not in text(console)


def test_one_node_shows_what_each_member_gave_every_token(view: RunView, console: Console) -> None:
    key, stored = view.utterances[5].id, f"store:{'a' * 64}"
    tokens = (
        Token(
            piece="▁Hi", log_prob=-0.1, members={stored: -0.2, "b": -0.05}, weights={stored: 0.25, "b": 0.75}
        ),
        Token(piece="</s>", log_prob=-0.3, members={"b": -0.3}),
    )
    best = Hypothesis(text="Hi", score=-0.4, n_tokens=2, system="asr", tokens=tokens)
    run = RunView(view.run, view.utterances, {"asr": {key: NBest(utterance_id=key, hypotheses=(best,))}})
    print_utterance(run, key, console)
    assert "-0.050" not in text(console)
    print_utterance(run, key, console, "asr")
    lines = [" ".join(line.split()) for line in text(console).splitlines()]
    assert {"token log-prob store:aaaaaaaaaaaa b", "Hi -0.100 -0.200 × 0.25 -0.050 × 0.75"} <= set(lines)
    assert "</s> -0.300 -0.300" in lines
    voted = best.model_copy(update={"tokens": (Token(piece="Hi", log_prob=-0.1, members={"1": -0.2}),)})
    run = RunView(view.run, view.utterances, {"mt": {key: NBest(utterance_id=key, hypotheses=(voted,))}})
    print_utterance(run, key, console, "mt")  # its first input votes
    assert "token log-prob asr" in " ".join(text(console).split())


def test_doubtful_words_have_their_confidence_as_a_number(view: RunView, console: Console) -> None:
    key = view.utterances[5].id
    best = Hypothesis(
        text="Two \x1b[2Jdogs ran",
        score=-1.0,
        n_tokens=3,
        system="asr",
        features={"p_correct": 0.25},
        word_confidences=(0.9, 0.2, 0.64),
    )
    outcomes = {"asr": {key: NBest(utterance_id=key, hypotheses=(best,))}}
    print_utterance(RunView(view.run, view.utterances, outcomes), key, console)
    assert "p_correct 0.25" in text(console)
    assert "confidence Two ⟨U+001B⟩[2Jdogs(0.20) ran(0.64)" in text(console)
