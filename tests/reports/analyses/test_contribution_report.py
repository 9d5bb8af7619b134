from __future__ import annotations

from pathlib import Path

from components.attribution.ablation import Ablation
from components.attribution.contribution import Contribution, Share
from components.attribution.contributions import (
    CONTRIBUTION,
    AblatedOutputs,
    ContributionRequest,
    Contributions,
    Scoring,
)
from components.metrics.statistics.bootstrap import Estimate
from components.records import Audio, Hypothesis, NBest, ReferenceSegment, Utterance
from components.storage.store import Store
from tests.components.storage.written import written
from tests.reports.printing import printed


def estimate(value: float) -> Estimate:
    return Estimate(value=value, interval=None)


def test_the_terminal_has_a_table_for_each_system() -> None:
    shares = (
        Share(part="[red]asr", alone=estimate(12.5), lost=estimate(3.0), share=None),
        Share(part="mt", alone=None, lost=estimate(-1.25), share=None),
    )
    first = Contribution(
        title="mine", metric="bleu", score=estimate(30.0), nobody=2.0, empty="no text", shares=shares,
        n=9, n_total=10, signature="bleu|seed:1",
    )  # fmt: skip
    both = Contributions(systems=(first, first.model_copy(update={"title": "other"})))
    lines = [" ".join(line.split()) for line in printed(CONTRIBUTION.tables(both), 120).splitlines()]
    assert "Contribution: mine" in lines
    assert "mine: BLEU 30.00 with all, 2.00 with none (no text); 9 of 10 utterances. bleu|seed:1" in lines
    assert lines.count("part alone lost without it") == 2  # no column of shares: nobody has one
    assert lines.count("[red]asr 12.50 +3.00") == 2  # a name is no markup
    assert lines.count("mt -1.25") == 2


def test_what_is_lost_without_each_part_comes_first_and_what_cannot_be_told_is_said() -> None:
    def gain(value: float, low: float, high: float) -> Estimate:
        return Estimate(value=value, interval=(low, high))

    def share(part: str, lost: Estimate | None, share: Estimate | None) -> Share:
        return Share(part=part, alone=None, lost=lost, share=share)

    shares = (
        share("lm", gain(0.2, -0.1, 0.5), None),
        share("old", None, gain(-1.5, -2.0, -1.0)),
        share("new", gain(9.0, 8.0, 10.0), gain(4.0, 3.0, 5.0)),
        share("worse", gain(-1.0, -1.5, -0.5), gain(5.0, 4.0, 6.0)),
        share("copy", gain(0.0, 0.0, 0.0), gain(9.0, 8.0, 10.0)),
        share("unknown", None, None),
    )
    many = Contribution(
        title="mt", metric="bleu", score=estimate(30.0), nobody=2.0, empty="no text", shares=shares,
        n=100, n_total=100, signature="bleu|seed:1",
    )  # fmt: skip
    ((line, _),) = CONTRIBUTION.verdict(Contributions(systems=(many,)))
    assert line == (
        "mt: without new +9.00 (+8.00 to +10.00) is lost; "
        "without lm +0.20 (-0.10 to +0.50) is lost, not told from nothing; without copy nothing changes; "
        "without worse +1.00 (+0.50 to +1.50) is gained; old adds -1.50 (-2.00 to -1.00)."
    )
    few = many.model_copy(update={"n": 3})
    assert CONTRIBUTION.verdict(Contributions(systems=(few,))) == [
        ("mt: 3 utterances: too few to tell.", None)
    ]


def test_scores_over_segments_of_recordings_are_signed_so(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    segments = tuple(
        ReferenceSegment(start=float(n), end=n + 1.0, references=(text,))
        for n, text in enumerate(("ein Hund", "eine Katze"))
    )
    talk = Utterance(
        id="talk",
        audio=Audio(path="talk.wav", sha256="0" * 64, seconds=2.0, sample_rate=16_000),
        source_language="en",
        target_language="de",
        reference_segments=segments,
    )
    best = Hypothesis(text="ein Hund eine Katze", score=-1.0, n_tokens=4, system="mt")
    texts = written(store, "mt", [NBest(utterance_id="talk", hypotheses=(best,))])
    outputs = {frozenset(part): texts for part in ("a", "b", "ab")}
    ablated = AblatedOutputs(Ablation("mt", ("a", "b"), {}), outputs)
    request = ContributionRequest([ablated], written(store, "data", [talk]), Scoring("chrf"), "de")
    (measured,) = CONTRIBUTION.compute(request, store, tmp_path).findings.systems
    assert (measured.score.value, measured.n, measured.n_total) == (100.0, 2, 2)
    assert "|unit:segment|reseg:min-word-edits" in measured.signature
