from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from components.analysis.cost import Cost
from components.comparison.comparison import compare
from components.comparison.comparison_settings import ComparisonSettings
from components.comparison.views.tables import describe_verdict
from components.comparison.views.verdict import describe_comparison, describe_speed
from reports.analyses import verdict
from reports.analyses.node_scores import build_node_scores
from tests.components.analysis.test_comparison import UTTERANCES, system
from tests.reports.example_runs import cascade, node, score, stage


def test_a_comparison_says_how_far_how_sure_how_fast() -> None:
    systems = [system("base", 1), system("alike", 2), system("good", 3)]
    result = compare(UTTERANCES, systems, ComparisonSettings(), language="de", source_language="en")[0]
    texts = [sentence.text for sentence in describe_comparison(result)]
    tests = {(test.system, test.metric): test for test in result.differences}
    alike, good = tests["alike", "bleu"], tests["good", "bleu"]
    assert len(texts) == 2
    low, high = alike.interval or (0.0, 0.0)
    assert texts[0].startswith(
        f"No significant difference between alike and base: {alike.difference:+.1f} BLEU "
        f"(95% {low:+.1f} to {high:+.1f}); this test could only detect "
    )
    assert texts[1].startswith(f"good is better than base: {good.difference:+.1f} BLEU (95% ")
    assert ", p <0.001" in texts[1]


def test_the_metric_that_was_asked_for_and_stated_comparisons_come_first() -> None:
    systems = [system("base", 1), system("alike", 2), system("good", 3)]
    for settings, begins in (
        (ComparisonSettings(metrics=("chrf", "bleu")), "No significant difference between alike and base: "),
        (ComparisonSettings(primary=("good versus alike in bleu",)), "good is better than alike: "),
        (ComparisonSettings(primary=("good versus base in chrf",)), "alike against base, not tested: "),
    ):
        result = compare(UTTERANCES, systems, settings, language="de", source_language="en")[0]
        texts = [sentence.text for sentence in describe_comparison(result)]
        assert texts[0].startswith(begins)
        assert (settings.metrics[0] if settings.metrics else "bleu").lower() in texts[0].lower()
    sentence = re.sub(r"[+-]\d+\.\d", "N", texts[1])  # the one that was stated, though another metric ranks
    stated = "good is better than base: N chrF2 (95% N to N), p <0.001. Other scores: N BLEU (95% N to N)."
    assert sentence.startswith(stated)


def test_systems_of_the_same_texts_are_the_same() -> None:
    base = system("base", 1)
    systems = [base, replace(base, name="again")]
    result = compare(UTTERANCES, systems, ComparisonSettings(), language="de", source_language="en")[0]
    (sentence,) = describe_comparison(result)
    assert sentence.text == (
        "again and base have the same BLEU, utterance by utterance. again is about as fast."
    )
    assert [describe_verdict(test) for test in result.differences] == [
        "no significant difference",
        "not tested",
    ]


def test_of_few_utterances_the_same_is_not_called_better() -> None:
    few = UTTERANCES[:3]
    base = system("base", 1)
    base = replace(base, translations={utterance.id: base.translations[utterance.id] for utterance in few})
    systems = [base, replace(base, name="again")]
    result = compare(few, systems, ComparisonSettings(), language="de", source_language="en")[0]
    (sentence,) = describe_comparison(result)
    assert sentence.text == (
        "again and base have the same BLEU; 3 utterances: too few to tell. again is about as fast."
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((10.0, "3.1 times faster"), (62.0, "2.0 times slower"), (30.0, "about as fast"), (0.0, "")),
        (4.0, "7.8 times faster (4.00 s and 31.0 s: too brief to rely on)"),
    ],
)
def test_speed(seconds: float, text: str) -> None:
    def cost(value: float) -> Cost:
        return Cost(seconds=value, peak_memory_bytes=1, calls=1)

    assert describe_speed(cost(seconds), cost(31.0)) == text


def test_a_run_says_its_main_scores_and_what_was_quarantined(tmp_path: Path) -> None:
    run = cascade(tmp_path, 12).run
    assert verdict.describe_scores(run)[0].text == (
        "WER 6.4 (95% 4.1 to 8.8), BLEU 34.8 (95% 32.5 to 37.2) on 11 of 12 utterances."
    )
    (quarantined,) = verdict.describe_quarantined(run)
    assert quarantined.text == "1 record was quarantined (1 in asr)."
    assert quarantined.link.target == "#filter=quarantined"
    failed = run.model_copy(update={"status": "cancelled"})
    assert verdict.describe_scores(failed)[0].text.startswith("The run was cancelled")
    silent = run.model_copy(update={"metrics": {}, "stages": (stage("data", 3, 0, 0.1),)})
    lacking = "Nothing was scored: the data have no transcripts for asr and no references for mt."
    assert verdict.describe_scores(silent)[0].text == lacking
    untested = silent.model_copy(update={"metrics": {"dev_bleu": run.metrics["bleu"]}})
    assert verdict.describe_scores(untested)[0].text == "Nothing was scored: no test data."
    assert verdict.describe_quarantined(silent) == []


def test_a_node_of_the_name_teacher_is_no_students_teacher(tmp_path: Path) -> None:
    run = cascade(tmp_path, 12).run
    metrics = {
        "chrf": score("chrf", 5.0, True, 12, 12),
        "teacher_chrf": score("teacher_chrf", 5.0, True, 12, 12),
    }
    student = run.model_copy(update={"metrics": metrics})
    (sentence,) = verdict.describe_student(student)
    assert sentence.text.endswith("its teacher 5.0 (95% 2.7 to 7.4): it gained 0.0 (no test).")
    nodes = (*run.pipeline.nodes, node("teacher", "translate", "asr"))
    graph = run.pipeline.model_copy(update={"nodes": nodes})
    assert verdict.describe_student(student.model_copy(update={"pipeline": graph})) == []


def test_scores_of_nodes_are_a_table_and_others_are_kept(tmp_path: Path) -> None:
    run = cascade(tmp_path, 12).run
    more = {name: score(name, 5.0, False, 12, 12) for name in ("asr_wer", "asr_cer", "harm_rate")}
    nodes, further = build_node_scores(run.model_copy(update={"metrics": run.metrics | more}))
    assert nodes.rows == ({"node": "asr", "WER": "5.0 (2.7 to 7.4)", "CER": "5.0 (2.7 to 7.4)"},)
    assert [row["score"] for row in further.rows] == ["harm_rate"]
    assert build_node_scores(run) == []
