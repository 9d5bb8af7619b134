from __future__ import annotations

from components.analysis.group_scores import score_groups
from components.metrics.error_rates.recognition import recognition_scores
from components.metrics.translation_quality.translation import translation_scores
from components.records import Audio, ReferenceSegment, Utterance
from components.text.matching.resegmentation import PROTOCOL

AUDIO = Audio(path="a.wav", sha256="a" * 64, seconds=1, sample_rate=8000)
UTTERANCES = [
    Utterance(
        id=f"u{n}",
        audio=AUDIO,
        source_language="en",
        target_language="de",
        transcript=f"a dog runs {n} miles",
        references=(f"ein Hund läuft {n} Meilen",),
        domain=("news", "talks")[n % 2],
        speaker="Ada" if n < 12 else None,
    )
    for n in range(24)
]


def test_a_group_scores_as_its_utterances_alone_do() -> None:
    transcripts = {u.id: f"a dog ran {n if n % 3 else 7} miles" for n, u in enumerate(UTTERANCES)}
    translations = {u.id: f"ein Hund rennt {n} Meilen" for n, u in enumerate(UTTERANCES) if n != 5}
    languages = {"transcript": "en", "translation": "de"}
    outputs = {"transcript": transcripts, "translation": translations}
    groups = score_groups(UTTERANCES, outputs, languages)  # type: ignore[arg-type]
    assert [(group.by, group.label) for group in groups] == [
        *(("domain", "news"), ("domain", "talks"), ("speaker", "Ada"), ("speaker", "none stated")),
    ]
    for group in groups:
        members = [u for u in UTTERANCES if u.id in group.ids]
        spoken = {u.id: str(u.transcript) for u in members}
        stated = {u.id: u.references for u in members}
        alone = recognition_scores(
            spoken, {k: transcripts[k] for k in spoken}, language="en", n_total=len(members)
        ) | translation_scores(
            stated,
            {k: translations[k] for k in stated if k in translations},
            language="de",
            n_total=len(members),
        )
        for name in ("wer", "cer", "bleu", "chrf"):
            assert group.scores[name].value == alone[name].value
            assert group.scores[name].n == alone[name].n
    assert groups[1].scores["bleu"].n == 11  # one has no translation


def test_scores_over_the_segments_of_a_long_recording_say_so() -> None:
    segments = tuple(ReferenceSegment(start=n, end=n + 1, transcript=f"dog {n}") for n in range(3))
    talk = UTTERANCES[0].model_copy(update={"id": "talk", "reference_segments": segments, "speaker": "Eve"})
    texts = {u.id: str(u.transcript) for u in UTTERANCES} | {"talk": "dog 0 dog 1 dog 2"}
    groups = score_groups([*UTTERANCES, talk], {"transcript": texts}, {"transcript": "en"}, ("wer",))
    (own,) = (group.scores["wer"] for group in groups if group.label == "Eve")
    assert (own.value, own.n) == (0.0, 3)
    assert PROTOCOL in own.signature


def test_what_divides_nothing_is_no_group() -> None:
    alike = [u.model_copy(update={"domain": None, "speaker": None}) for u in UTTERANCES]
    assert score_groups(alike, {"transcript": {u.id: "x" for u in alike}}, {"transcript": "en"}) == []
