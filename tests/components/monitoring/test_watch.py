"""Runs of a small graph, written by hand, are watched: what is found, where, and what is kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from components.errors import DataError
from components.monitoring.drift.analysis import WATCH, WatchRequest
from components.monitoring.drift.pairing import join_profiles
from components.monitoring.drift.profile import PROFILE, VERSION, Profile, StageProfile, load_profile
from components.monitoring.drift.sound import measure_sound
from components.monitoring.drift.tables import describe
from components.monitoring.drift.watched_place import WatchedPlace
from components.records import Hypothesis, NBest, Quarantined, Route, Utterance
from components.run_record import NodeRecord, PipelineRecord, RunRecord
from components.storage.runs.accepted_runs import accept_run
from components.storage.store import Store, check_run_name
from tests.components.storage.test_store import record
from tests.components.storage.written import written

GRAPH = PipelineRecord(
    nodes=(
        NodeRecord(name="asr", kind="recognize", output="text", language="source", reads={"of0": "data"}),
        NodeRecord(name="doubt", kind="route", output="table", reads={"of0": "asr"}),
        NodeRecord(name="mt", kind="translate", output="text", language="target", reads={"of0": "asr"}),
    ),
    outputs={"transcript": "asr", "translation": "mt"},
)
WORDS = ["the", "a", "man", "dog", "runs", "sleeps", "in", "on", "park", "bench", "red", "blue", "old"]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def save_run(
    store: Store,
    name: str,
    n: int = 150,
    *,
    asr: Callable[[int], float] = lambda k: 0.0,
    mt: Callable[[int], float] = lambda k: 0.0,
    lost: Callable[[int], bool] = lambda k: False,
    ids: str = "",
    language: str = "en",
) -> RunRecord:
    """A run of text that is copied; log-probabilities are normal, lower by what the functions say."""
    rng = np.random.default_rng(sum(map(ord, name)))
    texts = {f"{ids or name}-{k}": " ".join(rng.choice(WORDS, rng.integers(4, 9))) for k in range(n)}
    common = {"source_language": language, "target_language": "de"}
    utterances = [Utterance(id=key, text=text, transcript=text, **common) for key, text in texts.items()]

    def outcomes(node: str, lower: Callable[[int], float]) -> list[NBest]:
        return [
            NBest(
                utterance_id=key,
                hypotheses=(
                    Hypothesis(
                        text=f"{text} wrong" if lower(k) >= 1 else text if node == "asr" else text[::-1],
                        score=-10 * abs(0.3 + 0.1 * rng.normal() + lower(k)),
                        n_tokens=10,
                        system=node,
                    ),
                ),
            )
            for k, (key, text) in enumerate(texts.items())
            if not (node == "mt" and lost(k))
        ]

    refused = [
        Quarantined(utterance_id=key, stage="mt", reason="r", detail="d")
        for k, key in enumerate(texts)
        if lost(k)
    ]
    ways = [Route(utterance_id=key, branch="keep" if k % 3 else "escalate") for k, key in enumerate(texts)]
    refs = [
        written(store, "data", utterances),
        written(store, "asr", outcomes("asr", asr)),
        written(store, "doubt", ways),
        written(store, "mt", outcomes("mt", mt), refused),
    ]
    store.save_run(record(name, stages=tuple(refs), pipeline=GRAPH))
    return store.load_run(name)


def test_nothing_is_found_where_nothing_changed(store: Store) -> None:
    accepted = load_profile(save_run(store, "accepted"), store)
    runs = [save_run(store, "monday"), save_run(store, "tuesday")]
    findings = WATCH.read(WATCH.run(WatchRequest(runs, accepted), store))
    assert findings.change is None
    assert (findings.n, findings.n_accepted) == (300, 150)
    assert "No change was found in 300 new utterances against 150 of accepted" in describe(findings)[0]
    assert {row.stage for row in findings.signals} == {"data", "asr", "doubt", "mt"}
    assert not WATCH.events(findings)
    (strict,) = WATCH.tables(findings.model_copy(update={"alpha": 0.005}))
    assert "a probability of at most 0.5%, however often" in strict.note


def test_the_stage_that_changed_first_is_named_with_what_shows_it(store: Store) -> None:
    accepted = load_profile(save_run(store, "accepted"), store)
    run = save_run(store, "new", asr=lambda k: 0.3 * (k >= 60), mt=lambda k: 0.3 * (k >= 60))
    ref = WATCH.run(WatchRequest([run], accepted), store)
    findings = WATCH.read(ref)
    change = findings.change
    assert (change.stage, change.signal, change.direction) == ("asr", "mean_log_prob", "lower")
    assert 50 <= change.onset <= 70 <= change.alarm + 5 < 100
    assert len(findings.examples) == 10
    assert all(int(each.id.split("-")[1]) >= change.onset - 1 for each in findings.examples)
    assert findings.node == "asr"
    assert len(set(findings.proposed)) == 30
    (event,) = WATCH.events(findings)
    assert (event.event, event.payload["stage"], event.payload["run"]) == (
        "antiphon.watch.alarm",
        "asr",
        "new",
    )
    assert not WATCH.events(findings.model_copy(update={"answers_alarm": True}))  # else it would ask for ever
    tables = WATCH.tables(findings)
    assert [table.title for table in tables] == [
        "Signals",
        "What shows the change best",
        "To correct by hand",
    ]


@pytest.mark.parametrize(
    ("changes", "signal"),
    [({"mt": lambda k: 0.4 * (k >= 20)}, "mean_log_prob"), ({"lost": lambda k: k >= 60}, "quarantined")],
)
def test_a_change_further_down_is_told_there(
    store: Store, changes: dict[str, Callable[[int], bool]], signal: str
) -> None:
    accepted = load_profile(save_run(store, "accepted"), store)
    findings = WATCH.read(WATCH.run(WatchRequest([save_run(store, "new", **changes)], accepted), store))
    assert (findings.change.stage, findings.change.signal) == ("mt", signal)


def test_what_a_new_run_lacks_is_named_and_not_proposed(store: Store) -> None:
    """A recognizer that only met texts is skipped: the graph has it, the run has no stage of it."""
    accepted, run = load_profile(save_run(store, "accepted"), store), save_run(store, "texts")
    run = run.model_copy(update={"stages": tuple(ref for ref in run.stages if ref.stage != "asr")})
    findings = WATCH.read(WATCH.run(WatchRequest([run], accepted), store))
    assert (findings.unwatched, findings.node) == (("asr",), "mt")
    assert describe(findings)[1] == "Not watched, since texts lacks them: asr"


def test_corrections_give_a_verdict_by_score(store: Store) -> None:
    accepted = load_profile(save_run(store, "accepted"), store)
    run = save_run(store, "new", asr=lambda k: 1.0 * (k >= 20))
    findings = WATCH.read(WATCH.run(WatchRequest([run], accepted), store))
    corrected = dict.fromkeys(findings.proposed[:5], "a man runs")
    judged = WATCH.read(WATCH.run(WatchRequest([run], accepted, corrected={"asr": corrected}), store))
    assert (judged.score.n, judged.score.accepted, judged.score.verdict) == (30, 0.0, "worse")
    assert "By 30 corrected texts of asr: WER" in describe(judged)[1]


def test_what_is_accepted_is_kept_as_numbers_alone(store: Store, tmp_path: Path) -> None:
    run = save_run(store, "accepted")
    accept_run(store, "accepted")
    content = (store.run_folder("accepted") / PROFILE).read_text()
    assert not any(word in content for word in ("park", "sleeps", str(tmp_path)))
    assert len(content) < 80_000
    for ref in run.stages:
        (Path(ref.path) / "stage.json").unlink()
    profile = load_profile(store.read_run("accepted"), store)
    assert profile.ids == tuple(json.loads(content)["ids"])


def test_other_recordings_under_the_names_of_accepted_ones_are_new(store: Store) -> None:
    accepted = load_profile(save_run(store, "accepted"), store)
    run = save_run(store, "tonight", ids="accepted", asr=lambda k: 0.3)
    findings = WATCH.read(WATCH.run(WatchRequest([run], accepted), store))
    assert findings.n > 120  # a few have as many characters by chance
    assert f"({150 - findings.n} that it or an earlier run has heard are left out)" in describe(findings)[0]
    assert findings.change is not None


def test_accepted_recordings_under_other_names_are_not_new() -> None:
    def heard(name: str, brightness: float, *ids: str) -> Profile:
        signals = {"seconds": 2.5, "level_db": -20.0, "brightness_hz": brightness}
        columns = {signal: (value,) * len(ids) for signal, value in signals.items()}
        data = StageProfile(stage="data", kind="data", signals=columns)
        return Profile(version=VERSION, run=name, ids=ids, stages=(data,))

    copies = heard("tonight", 900.0, "b", "c")
    with pytest.raises(
        DataError, match="utterances in tonight that the accepted run first lacks, found none"
    ):
        join_profiles([copies], heard("first", 900.0, "a"))
    assert join_profiles([copies], heard("first", 800.0, "a")).ids == ("b", "c")
    silence = heard("tonight", 0.0, "b")
    assert join_profiles([silence], heard("first", 0.0, "a")).ids == ("b",)


def test_recordings_of_no_stated_language_are_not_in_another_one(store: Store) -> None:
    """As those of a folder, where the accepted run was over a manifest that states it."""
    accepted = load_profile(save_run(store, "accepted"), store)
    found = {}
    for language in ("fr", "und"):
        run = save_run(store, language, 40, language=language)
        findings = WATCH.read(WATCH.run(WatchRequest([run], accepted), store))
        found[language] = {row.stage for row in findings.signals if row.signal == "other_language"}
    assert found == {"fr": {"data", "asr"}, "und": set()}


def test_a_place_that_is_replaced_every_night_is_one_life(store: Store) -> None:
    """Its nights are judged together, as runs that are named; only what is there is shown and proposed."""

    record = save_run(store, "accepted")
    accepted = load_profile(record, store)
    nights = [save_run(store, f"night{k}", 30, asr=lambda k: 0.12) for k in range(4)]
    alarms = []
    for night in [*nights, nights[-1]]:  # the last one is looked at twice
        place = WatchedPlace(record, {"audio": "recordings"}, store)
        ref = WATCH.run(WatchRequest([night], accepted, earlier=place.earlier), store)
        place.add(ref)
        alarms += [event.payload["stage"] for event in WATCH.events(WATCH.read(ref))]
    findings, together = WATCH.read(ref), WATCH.read(WATCH.run(WatchRequest(nights, accepted), store))
    alone = WATCH.read(WATCH.run(WatchRequest([nights[-1]], accepted), store))
    assert (alone.change, findings.change, findings.signals) == (None, together.change, together.signals)
    assert findings.change is not None
    assert alarms == ["asr"]  # which the first look that finds it sends, and no later one
    assert "not sent again" in describe(findings)[1]
    later = save_run(store, "later", 60, mt=lambda k: 2.0)  # a further stage has changed
    findings = WATCH.read(WATCH.run(WatchRequest([later], accepted, earlier=place.earlier), store))
    assert not findings.is_known
    assert WATCH.events(findings)
    findings = WATCH.read(ref)
    assert (findings.earlier, findings.n, alone.n) == (90, 120, 30)
    assert "new ones were there at earlier looks)" in describe(findings)[0]
    assert len(findings.examples) == 10
    assert {key.split("-")[0] for key in findings.proposed} == {"night3"}
    others = [
        WatchedPlace(record, {"audio": folder}, store) for folder in ("others", "b/recordings", "./*.wav")
    ]
    assert [other.earlier for other in others] == [None] * 3
    assert len({check_run_name(each.run_name) for each in [place, *others]}) == 4


def test_too_few_accepted_utterances_are_refused(store: Store) -> None:
    with pytest.raises(DataError, match=r"run few: expected at least 20 accepted utterances .*found 19"):
        load_profile(save_run(store, "few", 19), store)


def test_a_run_of_another_graph_is_refused_as_nothing_of_it_is_watched(store: Store) -> None:
    accepted = load_profile(save_run(store, "accepted"), store)
    other = accepted.model_copy(update={"stages": accepted.stages[:0]})
    with pytest.raises(
        DataError, match=r"of the accepted run accepted have, and .*found none; watch runs of"
    ):
        WATCH.run(WatchRequest([save_run(store, "new")], other), store)


def test_a_run_of_nothing_new_is_refused(store: Store) -> None:
    run = save_run(store, "accepted")
    accepted = load_profile(run, store)
    with pytest.raises(DataError, match="that the accepted run accepted lacks, found none; compare the runs"):
        WATCH.run(WatchRequest([run], accepted), store)


def test_the_sound_of_a_tone_that_falls_silent_is_measured() -> None:
    """997 Hz of amplitude 0.5 for a second, and 60 dB less for another; four times as loud it is cut off."""
    tone = 0.5 * np.sin(2 * np.pi * 997 * np.arange(32_000) / 16_000)
    tone[16_000:] /= 1000
    power = 10 * np.log10(0.5**2 / 2)
    assert measure_sound(tone.astype(np.float32)) == {
        "level_db": pytest.approx(power - 10 * np.log10(2), abs=0.01),
        "noise_db": pytest.approx(power - 60, abs=0.1),
        "snr_db": pytest.approx(60, abs=0.2),
        "silent_share": 0.5,
        "brightness_hz": pytest.approx(997, abs=1),
        "bandwidth_hz": pytest.approx(1000, abs=41),
        "clipped_share": 0,
    }
    cut_off = measure_sound((4 * tone[:16_000]).clip(-1, 1).astype(np.float32))["clipped_share"]
    assert cut_off == pytest.approx(1 - 2 * np.arcsin(0.5) / np.pi, abs=0.01)
    assert measure_sound(np.zeros(799, np.float32)) == {}
