"""Hand-made runs for the tests of the reports."""

from __future__ import annotations

import wave
from pathlib import Path

from components.records import (
    Audio,
    Decision,
    Hypothesis,
    NBest,
    NodeOutcome,
    Outcome,
    Quarantined,
    Route,
    Token,
    Utterance,
)
from components.run_record import NodeRecord, PipelineRecord, RunRecord, Score, StageRef
from reports.views.run_view import RunView

HOSTILE = (
    "<script>window.injected = 1</script></script><!-- <img src=x onerror='window.injected=2'> \" ' &amp;"
)
BIDI = "safe \u202egnp.exe"
SENTENCES = [
    ("Two dogs are running through the snow.", "Zwei Hunde laufen durch den Schnee."),
    (
        "A man in a blue shirt is standing on a ladder.",
        "Ein Mann in einem blauen Hemd steht auf einer Leiter.",
    ),
    (
        "A little girl climbs into a wooden playhouse.",
        "Ein kleines Mädchen klettert in ein Spielhaus aus Holz.",
    ),
    ("People are fixing the roof of a house.", "Leute reparieren das Dach eines Hauses."),
    ("A boy jumps over a puddle in the street.", "Ein Junge springt auf der Straße über eine Pfütze."),
]


def tone(path: Path, seconds: float = 0.4) -> Audio:
    """A quiet WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(i * 7 % 256 if k else 0 for i in range(int(8000 * seconds)) for k in (0, 1)))
    return Audio(path=str(path), sha256="a" * 64, seconds=seconds, sample_rate=8000)


def nbest(utterance_id: str, texts: list[str], system: str) -> NBest:
    """Hypotheses with falling scores; the best has its tokens."""
    hypotheses = []
    for rank, text in enumerate(texts):
        words = text.split()
        tokens = tuple(
            Token(piece=(" " if i else "") + word, log_prob=-(((i * 5 + 1) % 7) ** 2) / 14 - 0.01)
            for i, word in enumerate(words)
        )
        hypotheses.append(
            Hypothesis(
                text=text,
                score=sum(t.log_prob for t in tokens) - rank * 1.7,
                n_tokens=len(words),
                system=system,
                tokens=tokens if rank == 0 else (),
                features={f"a long name of a feature, number {n}": 0.12 * n for n in range(3)},
            )
        )
    return NBest(utterance_id=utterance_id, hypotheses=tuple(hypotheses))


def heard(text: str, i: int) -> str:
    """The text with a substitution, a deletion or an insertion in some utterances."""
    words = text.split()
    if len(words) < 4:
        return text
    if i % 4 == 1:
        words[1] = "fog"
    if i % 4 == 2:
        del words[2]
    if i % 7 == 3:
        words.insert(3, "very")
    return " ".join(words)


def stage(name: str, items: int, quarantined: int, seconds: float, reused: bool = False) -> StageRef:
    return StageRef(
        stage=name,
        key=(name.encode().hex() * 64)[:64],
        path=f"stages/{name}",
        items=items,
        quarantined=quarantined,
        sha256="b" * 64,
        seconds=seconds,
        peak_memory_bytes=int(9e8),
        reused=reused,
    )


def node(name: str, kind: str, *of: str, **more: object) -> NodeRecord:
    """A node that reads ``of`` and writes German, unless ``more`` says otherwise."""
    values = {"output": "text", "language": "target", "reads": {f"of{n}": each for n, each in enumerate(of)}}
    return NodeRecord.model_validate(values | {"name": name, "kind": kind, "status": "computed"} | more)


def score(name: str, value: float, higher: bool, n: int, n_total: int) -> Score:
    return Score(
        name=name,
        value=value,
        higher_is_better=higher,
        interval=(value - 2.3, value + 2.4),
        n=n,
        n_total=n_total,
        signature=f"{name}|nrefs:1|bs:1000|seed:12345|case:mixed|tok:13a|version:2.6.0",
    )


def cascade(folder: Path, n: int = 12, audio: bool = True) -> RunView:
    """A cascade of ``n`` utterances: one hostile, one quarantined, one of bidi controls."""
    clip = tone(folder / "clip one.wav") if audio else None
    utterances: list[Utterance] = []
    asr: dict[str, Outcome] = {}
    mt: dict[str, Outcome] = {}
    for i in range(n):
        english, german = SENTENCES[i % len(SENTENCES)]
        if i == 0:
            english = german = HOSTILE
        if i == 2:
            english = BIDI
        key = f"caption-{i:04d}"
        utterances.append(
            Utterance(
                id=key,
                audio=clip,
                text=None if clip else english,
                source_language="en",
                target_language="de",
                transcript=english,
                references=(german,),
            )
        )
        if i == 1:
            asr[key] = Quarantined(
                utterance_id=key,
                stage="asr",
                reason="unreadable audio",
                detail="expected audio, found <b>text</b>",
            )
            continue
        asr[key] = nbest(key, [heard(english, i), english, english + " Yes."], "asr")
        mt[key] = nbest(key, [heard(german, i + 1), german], "mt")
    run = RunRecord(
        name="2026-11-24-cascade",
        flow="cascade",
        status="completed with quarantine",
        parameters={
            "data": "sample",
            "seed": 0,
            "asr": {"model": "packaged:whisper-base", "beam_size": 5},
            "mt": {"model": "packaged:multi30k-en-de"},
        },
        stages=(
            stage("data", n, 0, 0.02, reused=True),
            stage("asr", n, 1, 48.7),
            stage("mt", n - 1, 0, 5.1),
            stage("metrics", n, 0, 1.3),
        ),
        pipeline=PipelineRecord(
            nodes=(node("asr", "recognize", "data", language="source"), node("mt", "translate", "asr")),
            outputs={"transcript": "asr", "translation": "mt"},
        ),
        metrics={
            "wer": score("wer", 6.4, False, n - 1, n),
            "cer": score("cer", 3.1, False, n - 1, n),
            "bleu": score("bleu", 34.8, True, n - 1, n),
            "chrf": score("chrf", 61.2, True, n - 1, n),
            "ter": score("ter", 47.9, False, n - 1, n),
        },
        started="2026-11-24T16:00:00+00:00",
        finished="2026-11-24T16:01:00+00:00",
        versions={"torch": "2.13.0", "transformers": "5.24.0"},
    )
    models = {"asr": {"packaged:whisper-base": "c" * 64}, "mt": {"packaged:multi30k-en-de": None}}
    return RunView(run, utterances, {"asr": asr, "mt": mt}, models)


def routed(folder: Path) -> RunView:
    """A cheap recognizer, a better one where it is unsure, two rounds of refinement, a branch that failed.

    The first of four utterances is escalated, the second is quarantined by the better one.
    """
    view = cascade(folder, 6)
    utterances = view.utterances[3:6] + view.utterances[:1]
    ids = [one.id for one in utterances]
    fast: dict[str, NodeOutcome] = {key: nbest(key, ["two dogs run"], "fast") for key in ids}
    doubt = {
        key: Route(utterance_id=key, branch="escalate" if n < 2 else "keep", value=-0.1 * n)
        for n, key in enumerate(ids)
    }
    aside = Quarantined(utterance_id=ids[1], stage="good", reason="too long", detail=HOSTILE)
    good: dict[str, NodeOutcome] = {ids[0]: nbest(ids[0], ["two dogs ran home"], "good"), ids[1]: aside}
    selected = fast | {ids[0]: good[ids[0]]}
    draft: dict[str, NodeOutcome] = {key: nbest(key, ["Zwei Hunde laufen"], "de") for key in ids}
    rounds: dict[str, NodeOutcome] = {}
    for key in ids:
        best = nbest(key, ["Zwei große Hunde laufen"], "lm").best
        decision = Decision(round=1, accepted=True, stopped="maximum", feedback=HOSTILE)
        rounds[key] = NBest(utterance_id=key, hypotheses=(best.model_copy(update={"decision": decision}),))
    when = {"when": "doubt.escalate", "reads": {"of0": "data", "when": "doubt"}}
    nodes = (
        node("fast", "recognize", "data", language="source", models={"model": "packaged:whisper-tiny.en"}),
        node("doubt", "route", "fast", output="table", language=None),
        node("good", "recognize", language="source", **when),
        node("heard", "select", "good", "fast", language="source"),
        node("soup", "merge", output="model", whole=True, language=None),
        node("de", "translate", "heard", reads={"of0": "heard", "model": "soup"}),
        node("again", "translate", "heard", status="failed"),
        node("de-1", "refine_round", "de"),
        node("de-2", "refine_round", "de", "de-1", status="skipped"),
    )
    outcomes = {"fast": fast, "doubt": doubt, "good": good, "heard": selected, "de": draft, "de-1": rounds}
    stages = [stage("data", 4, 0, 0.1), stage("soup", 1, 0, 3.0)]
    stages += [stage(name, len(result), int(name == "good"), 1.0) for name, result in outcomes.items()]
    pipeline = PipelineRecord(nodes=nodes, outputs={"transcript": "heard", "translation": "de-1"})
    run = view.run.model_copy(update={"stages": tuple(stages), "pipeline": pipeline})
    return RunView(run, utterances, outcomes)
