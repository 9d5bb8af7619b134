from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.ensembling.corpus import CORPUS
from components.metrics.translation import translation_scores
from components.metrics.wer import recognition_scores

sentences = st.lists(st.sampled_from(["ein", "Hund", "läuft", "zwei", ".", ""]), max_size=6).map(" ".join)
rows = st.tuples(sentences, st.lists(sentences.filter(str.strip), min_size=1, max_size=2))


@settings(max_examples=10, deadline=None)
@given(st.lists(rows, min_size=1, max_size=4))
def test_sums_score_as_the_metrics_room_does(corpus: list[tuple[str, list[str]]]) -> None:
    texts, references = [row[0] for row in corpus], [row[1] for row in corpus]
    ids = [str(n) for n in range(len(corpus))]
    found = {name: float(m.score(m.statistics(texts, references, "de").sum(0))) for name, m in CORPUS.items()}
    by_id = dict(zip(ids, texts, strict=True))
    expected = translation_scores(
        dict(zip(ids, references, strict=True)), by_id, language="de", n_total=len(ids)
    )
    for name in "bleu", "chrf":
        assert found[name] == pytest.approx(expected[name].value, abs=1e-6)
    first = {key: row[0] for key, row in zip(ids, references, strict=True)}
    spoken = recognition_scores(first, by_id, language="de", n_total=len(ids))
    if "wer" in spoken and spoken["wer"].n == len(ids):
        assert found["wer"] == pytest.approx(-spoken["wer"].value)


def test_many_sums_at_once() -> None:
    metric = CORPUS["bleu"]
    table = metric.statistics(["a b c d e", "a b c x y"], [["a b c d e"]] * 2, "en")
    assert metric.score(table).tolist() == pytest.approx([float(metric.score(row)) for row in table])
