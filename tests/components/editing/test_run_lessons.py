"""What a run with edits teaches: whose texts were corrected, and what counts of several corrections."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from components.editing.correction import Correction
from components.editing.corrections_stage import store_corrections
from components.editing.lessons import make_pairs, make_transcripts
from components.editing.run_lessons import read_lessons
from components.editing.run_texts import node_to_edit
from components.errors import ConfigError
from components.records import Utterance
from components.run_record import NodeRecord, PipelineRecord, RunRecord
from components.storage.store import Store
from tests.components.export.example_run import UTTERANCES, new_store, write_run


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return new_store(tmp_path)


def correction(key: str, text: str, node: str) -> Correction:
    return Correction(id=key, text=text, node=node, by="ann", at="2026-01-01T00:00:00Z", file="a.tsv")


def run_with_corrections(
    store: Store, *corrections: Correction, utterances: Sequence[Utterance] = UTTERANCES
) -> RunRecord:
    """A run whose recognizer's texts were corrected twice, and whose translations stayed."""
    run = write_run(store, utterances)
    ref = store_corrections(store, "asr", corrections, None)
    table = NodeRecord(name=ref.stage, kind="edit_from_store", output="table")
    edits = [
        NodeRecord(name=name, kind="edit_from_file", output="text", reads={"of0": of}, language="source")
        for name, of in (("asr-edited", "asr"), ("asr-edited-edited", "asr-edited"))
    ]
    graph = PipelineRecord(nodes=(*run.pipeline.nodes, table, *edits), outputs=run.pipeline.outputs)
    return run.model_copy(update={"pipeline": graph, "stages": (*run.stages, ref)})


def test_the_last_correction_counts_and_is_of_the_model_that_gave_the_text(store: Store) -> None:
    run = run_with_corrections(
        store,
        correction("other", "No.", "asr"),
        correction("other", "Yes!", "asr-edited"),
        correction("talk@10", "The end.", "asr"),
    )
    lessons = {each.utterance.id: each for each in read_lessons(run, unchanged_right=False)}
    assert {key: (each.node, each.hypothesis.text, each.text) for key, each in lessons.items()} == {
        "talk@10": ("asr", "The end.", "The end."),
        "other": ("asr", "Yes.", "Yes!"),
    }
    assert {each.language for each in lessons.values()} == {"en"}


def test_texts_that_nobody_touched_are_right_if_all_were_read(store: Store) -> None:
    run = run_with_corrections(store, correction("other", "Yes!", "asr"))
    lessons = read_lessons(run, unchanged_right=True)
    assert [(each.utterance.id, each.is_right) for each in lessons] == [
        ("talk@10", True),
        ("talk@0", True),
        ("other", False),
    ]


def test_lessons_of_translations_have_the_text_that_was_translated(store: Store) -> None:
    (lesson,) = read_lessons(
        run_with_corrections(store, correction("other", "Ja!", "mt")), unchanged_right=False
    )
    assert (lesson.node, lesson.source, lesson.text, lesson.language) == ("mt", "Yes.", "Ja!", "de")


def test_lessons_of_a_data_set_of_several_languages_have_their_own(store: Store) -> None:
    codes = ("fr", "it", "es", "de")
    utterances = [
        each.model_copy(update={"target_language": code})
        for each, code in zip(UTTERANCES, codes, strict=True)
    ]
    corrections = [correction(key, "Ja!", "mt") for key in ("talk@0", "other")]
    run = run_with_corrections(store, *corrections, utterances=utterances)
    lessons = read_lessons(run, unchanged_right=False)
    own = {each.id: each.target_language for each in utterances if each.id in ("talk@0", "other")}
    assert len(set(own.values())) == 2
    assert {each.utterance.id: each.language for each in lessons} == own
    assert {row["id"]: row["target_language"] for row in make_pairs(lessons)} == own


def test_lessons_are_in_the_language_that_was_heard(store: Store) -> None:
    utterances = [each.model_copy(update={"source_language": "und"}) for each in UTTERANCES]
    run = run_with_corrections(store, correction("other", "Yes!", "asr"), utterances=utterances)
    (lesson,) = read_lessons(run, unchanged_right=False)
    assert (lesson.language, make_transcripts([lesson], Path("/"))[0]["source_language"]) == ("en", "en")


def test_an_edit_goes_on_from_the_edit_before(store: Store) -> None:
    run = run_with_corrections(store)
    stages = (*run.stages, run.stages[1].model_copy(update={"stage": "asr-edited"}))
    assert node_to_edit(run, "asr").name == "asr"
    assert node_to_edit(run.model_copy(update={"stages": stages}), "asr").name == "asr-edited"
    with pytest.raises(ConfigError, match="one of asr, mt; found 'ars'; did you mean asr"):
        node_to_edit(run, "ars")
