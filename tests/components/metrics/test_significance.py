from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.significance import PairedTest

from components.errors import DataError
from components.metrics import recognition_scores, translation_scores
from components.metrics.significance import (
    Difference,
    Test,
    holm,
    recognition_tests,
    translation_tests,
)
from components.metrics.sufficient import recognition_statistics, translation_statistics
from tests.components.metrics.corpora import REFERENCES, SYSTEMS, N


@pytest.mark.parametrize(("test", "theirs"), [("bootstrap", "bs"), ("randomisation", "ar")])
def test_the_p_values_of_sacrebleu(test: Test, theirs: str) -> None:
    ids = sorted(REFERENCES)
    named = [(name, [texts[key] for key in ids]) for name, texts in SYSTEMS.items()]
    metrics = {"BLEU": BLEU(), "chrF2": CHRF()}
    _, expected = PairedTest(named, metrics, [[REFERENCES[key][0] for key in ids]], test_type=theirs)()
    found = translation_tests(REFERENCES, SYSTEMS, "base", language="de", test=test)
    for metric, name in (("bleu", "BLEU"), ("chrf", "chrF2")):
        ours = [one for one in found if one.metric == metric]
        for one, result in zip(ours, expected[name][1:], strict=True):
            assert one.value == pytest.approx(result.score, abs=1e-9)
            assert one.p == pytest.approx(result.p_value, abs=1e-12)
            assert one.baseline_value == pytest.approx(expected[name][0].score, abs=1e-9)


def test_a_plain_loop_gives_the_same_word_error_test() -> None:
    """The bootstrap written out over utterances and words, nothing shared but the seed."""
    import jiwer

    references = {key: refs[0] for key, refs in REFERENCES.items()}
    found = recognition_tests(references, SYSTEMS, "base", language="de")
    ids = sorted(references)

    def counts(system: str) -> list[tuple[int, int]]:
        rows = []
        for key in ids:
            clean = [
                " ".join(t.lower().replace(".", " ").split()) for t in (references[key], SYSTEMS[system][key])
            ]
            out = jiwer.process_words(*clean)
            rows.append((out.substitutions + out.deletions + out.insertions, len(clean[0].split())))
        return rows

    base, good = counts("base"), counts("good")
    rng = np.random.default_rng(12345)
    sample = rng.choice(N, size=(1000, N), replace=True)
    rate = lambda rows, picked: 100 * sum(rows[i][0] for i in picked) / sum(rows[i][1] for i in picked)  # noqa: E731
    drawn = [rate(good, picked) - rate(base, picked) for picked in sample]
    real = rate(good, range(N)) - rate(base, range(N))
    mean = sum(map(abs, drawn)) / len(drawn)
    p = (sum(abs(d) - mean > abs(real) for d in drawn) + 1) / 1001
    one = next(one for one in found if (one.metric, one.system) == ("wer", "good"))
    assert one.difference == pytest.approx(real)
    assert one.p == pytest.approx(p)
    assert one.interval == pytest.approx(tuple(np.percentile(drawn, (2.5, 97.5))))
    assert one.better
    assert not one.higher_is_better


def test_what_is_reported() -> None:
    found = translation_tests(REFERENCES, SYSTEMS, "base", language="de", names=("bleu", "chrf", "ter"))
    assert [(one.metric, one.system) for one in found] == [
        (metric, system) for metric in ("bleu", "chrf", "ter") for system in ("alike", "good")
    ]
    good = {one.metric: one for one in found if one.system == "good"}
    assert all(one.better for one in good.values())
    assert good["ter"].difference < 0 < good["bleu"].difference
    assert good["bleu"].family == 2
    assert good["bleu"].p_holm == pytest.approx(min(1.0, 2 * good["bleu"].p))
    assert good["bleu"].signature.startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    assert good["bleu"].signature.endswith("|paired-bs:1000|seed:12345")
    assert all(one.interval[0] <= one.difference <= one.interval[1] for one in found)


@pytest.mark.parametrize("test", ["bootstrap", "randomisation"])
def test_equal_outputs_are_no_difference(test: Test) -> None:
    twins = {"base": SYSTEMS["base"], "twin": dict(SYSTEMS["base"])}
    for one in translation_tests(REFERENCES, twins, "base", language="de", test=test):
        assert (one.difference, one.interval, one.p, one.better) == (0.0, (0.0, 0.0), 1.0, False)


def test_the_order_of_utterances_is_nothing() -> None:
    shuffled = {name: dict(sorted(texts.items(), reverse=True)) for name, texts in SYSTEMS.items()}
    turned = dict(sorted(REFERENCES.items(), reverse=True))
    assert translation_tests(turned, shuffled, "base", language="de") == translation_tests(
        REFERENCES, SYSTEMS, "base", language="de"
    )


def test_different_utterances_are_refused() -> None:
    short = dict(list(SYSTEMS["good"].items())[1:])
    lost = next(iter(SYSTEMS["good"]))
    with pytest.raises(
        DataError, match=rf"short to have the utterances of base, found 1 missing \(first '{lost}'"
    ):
        translation_tests(REFERENCES, {"base": SYSTEMS["base"], "short": short}, "base", language="de")
    with pytest.raises(DataError, match=r"1 extra .first 'new'"):
        translation_tests(
            REFERENCES | {"new": ("x",)},
            {"base": SYSTEMS["base"], "long": SYSTEMS["good"] | {"new": "x"}},
            "base",
            language="de",
        )
    with pytest.raises(DataError, match="expected the baseline among the systems base, alike, good"):
        translation_tests(REFERENCES, SYSTEMS, "bse", language="de")


def test_statistics_give_the_reported_scores() -> None:
    references = REFERENCES | {"u00": ("",)}  # an empty reference is no reference
    tables = translation_statistics(references, SYSTEMS["good"], language="de", n_total=N)
    scores = translation_scores(references, SYSTEMS["good"], language="de", n_total=N)
    assert {name: (table.score(), len(table.ids)) for name, table in tables.items()} == {
        name: (pytest.approx(score.value), score.n) for name, score in scores.items()
    }
    spoken = {key: refs[0] for key, refs in references.items()}
    rates = recognition_statistics(spoken, SYSTEMS["good"], language="de", n_total=N)
    found = recognition_scores(spoken, SYSTEMS["good"], language="de", n_total=N)
    for name in ("wer", "cer"):
        assert rates[name].score() == pytest.approx(found[name].value)
        assert len(rates[name].ids) == found[name].n == N - 1
    part = tables["bleu"].only(["u01", "u02", "absent"])
    assert part.ids == ("u01", "u02")
    alone = {key: SYSTEMS["good"][key] for key in part.ids}
    known = {key: references[key] for key in part.ids}
    assert part.score() == pytest.approx(
        translation_scores(known, alone, language="de", n_total=N)["bleu"].value
    )


@settings(max_examples=50)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_by_its_definition(p_values: list[float]) -> None:
    """A corrected p is the smallest level at which Holm's step-down procedure rejects."""
    corrected = holm(p_values)
    m = len(p_values)
    for level in (0.01, 0.05, 0.2, 0.7):
        order = sorted(range(m), key=lambda i: p_values[i])
        rejected = set()
        for k, i in enumerate(order):
            if (m - k) * p_values[i] > level:
                break
            rejected.add(i)
        assert rejected == {i for i in range(m) if corrected[i] <= level}


def test_a_difference_is_a_record() -> None:
    one = translation_tests(REFERENCES, SYSTEMS, "base", language="de")[0]
    assert Difference.model_validate_json(one.model_dump_json()) == one
