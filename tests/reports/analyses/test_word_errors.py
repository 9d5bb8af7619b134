from __future__ import annotations

from collections import Counter
from pathlib import Path

import jiwer

from components.analysis.table import Link
from components.metrics.normalizers import normalizer_for
from components.records import NBest
from reports.analyses.word_errors import MAX_LINKED, MOST, WordErrors
from reports.views.run_view import RunView
from tests.reports.example_runs import cascade, nbest
from tests.reports.page.test_reading import two_systems


def counted(view: RunView) -> WordErrors:
    errors = WordErrors(view)
    for row in view.rows():
        errors.add(row)
    return errors


def test_confusions_are_those_that_jiwer_counts(tmp_path: Path) -> None:
    view = cascade(tmp_path, 40)
    (section,) = counted(view).sections()
    normalize = normalizer_for("en")
    expected: Counter[str] = Counter()
    for utterance in view.utterances:
        outcome = view.outcomes["asr"][utterance.id]
        if isinstance(outcome, NBest):
            measured = jiwer.process_words(normalize(str(utterance.transcript)), normalize(outcome.best.text))
            expected += Counter(
                substituted=measured.substitutions, missing=measured.deletions, extra=measured.insertions
            )
    totals: Counter[str] = Counter()
    for row in section.rows:
        link = row["count"]
        assert isinstance(link, Link)
        totals[str(row["error"])] += int(link.text)
        assert link.target.startswith("#filter=id%3A%22caption-")
        assert link.target.count("caption-") == min(int(link.text), MAX_LINKED)
    assert totals == expected
    assert ("substituted", "dogs", "fog") in {
        (row["error"], row["reference"], row["output"]) for row in section.rows
    }


def test_half_of_the_errors_are_in_the_fewest_utterances(tmp_path: Path) -> None:
    errors = counted(cascade(tmp_path, 40))
    total, ids = errors.concentration() or (0, [])
    counts = errors.count_by_utterance()
    assert total == sum(counts.values())
    held = sum(counts[key] for key in ids)
    assert 2 * held >= total > 2 * (held - min(counts[key] for key in ids))
    assert min(counts[key] for key in ids) >= max(counts[key] for key in counts.keys() - set(ids))


def test_phrases_that_one_system_has(tmp_path: Path) -> None:
    sections = {section.title: section for section in counted(two_systems(tmp_path)).sections()}
    phrases = sections["Phrases that one system has: a, b"]
    words = {str(row["words"]): row for row in phrases.rows}
    assert words["Dach eines Hauses"]["only b"] == ""
    link = words["Dach eines Hauses"]["only a"]
    assert isinstance(link, Link)
    assert (link.text, "caption-0003" in link.target) == ("1", True)
    assert not {"eines Hauses", "Hauses"} & words.keys()  # the longer phrase says it
    assert not any(
        title.startswith("Words that one system has right") for title in sections
    )  # they share the transcript


def test_of_many_phrases_the_most_frequent_are_listed(tmp_path: Path) -> None:
    view = two_systems(tmp_path)
    silent = {key: nbest(key, [""], "b") for key in view.outcomes["b: mt"]}
    changed = RunView(view.run, view.utterances, {**view.outcomes, "b: mt": silent}, systems=view.systems)
    (phrases,) = (one for one in counted(changed).sections() if one.title.startswith("Phrases"))
    counts = [int(row["only a"].text) for row in phrases.rows if isinstance(row["only a"], Link)]
    assert len(counts) == MOST
    assert counts == sorted(counts, reverse=True)
    assert len({str(row["words"]) for row in phrases.rows}) == MOST
