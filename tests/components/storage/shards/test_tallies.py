from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from components.records import Audio, Decision, Hypothesis, NBest, NodeOutcome, Quarantined, Route, Utterance
from components.storage.shards.tallies import (
    UtteranceProfile,
    add_tallies,
    features_in,
    profiles_in,
    tally_outcomes,
)

SOUND = Audio(path="a.wav", sha256="a" * 64, seconds=2.5, sample_rate=8000)
RECORDS: list[NodeOutcome] = [
    Utterance(id="a", audio=SOUND, source_language="en", target_language="de"),
    Utterance(id="b", text="fünf!", source_language="de"),
    Utterance(id="c", text="both", audio=SOUND, source_language="en", target_language="de"),
    Route(utterance_id="d", branch="left"),
    Route(utterance_id="e", branch="left"),
    Quarantined(utterance_id="f", stage="s", reason="r", detail="d"),
    *(
        NBest(
            utterance_id=f"n{number}",
            hypotheses=(
                Hypothesis(
                    text="t",
                    score=-1,
                    n_tokens=1,
                    system="s",
                    features={"share": number / 4, "systems": float(number)},
                    decision=Decision(round=1, accepted=number > 1, stopped="gate" if number == 3 else None),
                ),
            ),
        )
        for number in range(4)
    ),
]


def test_tallies_say_what_is_asked_of_records() -> None:
    tallies = tally_outcomes(RECORDS)
    assert profiles_in(tallies) == {
        UtteranceProfile("en", "de", has_audio=True, has_text=False): 1,
        UtteranceProfile("de", None, has_audio=False, has_text=True): 1,
        UtteranceProfile("en", "de", has_audio=True, has_text=True): 1,
    }
    assert tallies["totals"] == {"audio_seconds": 5.0, "written": 1, "characters": 5}
    assert tallies["branches"] == {"left": 2}
    assert tallies["decisions"] == {"accepted": 2, "not accepted": 2, "going": 3, "stopped": 1}
    features = features_in(tallies)
    assert features["share"] == (4, 1.5, 2, {0: 1})
    assert features["systems"] == (4, 6.0, 3, {0: 1, 1: 1, 2: 1, 3: 1})


@given(st.permutations(RECORDS), st.integers(0, len(RECORDS)))
def test_tallies_of_parts_add_up_to_those_of_all(records: Sequence[NodeOutcome], cut: int) -> None:
    parts = [tally_outcomes(records[:cut]), tally_outcomes(records[cut:])]
    assert add_tallies(parts) == tally_outcomes(RECORDS)
