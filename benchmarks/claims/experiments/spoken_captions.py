"""E10: what recognition costs translation, what tells bad translations, what recognizers gain by voting."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.claims.outputs import Outputs
from benchmarks.claims.speech import captions
from benchmarks.claims.speech.captions import RECOGNIZERS, speak, transcribe
from benchmarks.claims.workspace import DEV, FLICKR16, Workspace
from benchmarks.common.recordings import load_recordings
from benchmarks.common.tables import format_interval, markdown_table
from components.claims.selection import best_on_dev
from components.claims.statistics.detection import auc, compare_auc
from components.claims.statistics.measuring import by_metrics, two_level
from components.claims.systems import votes
from components.claims.systems.workbench import best_texts, confidence_of
from components.claims.verdict import Measured, Result
from components.metrics.statistics.bootstrap import FloatArray
from components.records import Utterance

TITLE = "Spoken captions: the recognizer's share, transcripts as a check, recognizers that vote"
QUESTION = """
All 1,000 captions of test_2016_flickr are spoken by three free voices (flite rms, piper joe, espeak-ng), and
once more by the first with white noise at 10 and 5 dB. Whisper base (greedy) transcribes, the packaged
model (beam 5) translates into German. How much does translation lose because of the recognizer? Does
something that is known without references tell which translations will be bad: the recognizer's mean
log-probability a token, or the translator's? "Bad" is a loss of more than 10 chrF (of the sentence) against
the translation of the gold transcript, for which recognition alone can be guilty; or a chrF in the lowest
quarter of what gold transcripts give, whoever is guilty. And do three recognizers that vote (ROVER) make
fewer errors than the best of them? There each third of the captions has another voice; votes are tuned, and
the best recognizer is chosen, on 150 captions of val.
"""
CLEAN = ("flite rms", "piper joe", "espeak-ng")
CONDITIONS = (*CLEAN, "flite rms, 10 dB", "flite rms, 5 dB")
BASE, GOLD = "Whisper base", "gold transcript"
BAD = 10.0
"""Points of chrF that a bad translation loses."""
VOTES, HUMAN = "captions by three voices", "human recordings"
N_DEV = 150
CONFIDENCE, TRANSLATOR, ERRORS = (
    "recognizer's confidence",
    "translator's log-probability",
    "WER (needs references)",
)


def run(work: Workspace, outputs: Outputs) -> None:
    """Speak, transcribe, translate; then vote."""
    test = work.utterances(FLICKR16)
    _run_cascades(work, outputs, test)
    _run_votes(work, outputs, test)


def _run_cascades(work: Workspace, outputs: Outputs, test: Sequence[Utterance]) -> None:
    gold = captions.translate_texts(work, test, {u.id: u.text or "" for u in test})
    outputs.add_translations(FLICKR16, test, GOLD, 0, best_texts(gold, test))
    confidences: dict[str, dict[str, list[float]]] = {CONFIDENCE: {}, TRANSLATOR: {}}
    for voice in CONDITIONS:
        spoken = speak(work, test, voice)
        transcripts = transcribe(work, spoken, BASE)
        translated = captions.translate_texts(work, spoken, best_texts(transcripts, spoken))
        outputs.add_translations(FLICKR16, spoken, voice, 0, best_texts(translated, spoken))
        outputs.add_transcripts("transcripts", spoken, voice, 0, best_texts(transcripts, spoken))
        for name, nbests in ((CONFIDENCE, transcripts), (TRANSLATOR, translated)):
            confidences[name][voice] = [round(confidence_of(nbests.get(u.id)), 4) for u in spoken]
    outputs.measurements["confidences"] = confidences


def _run_votes(work: Workspace, outputs: Outputs, test: Sequence[Utterance]) -> None:
    dev = _spread(work, work.utterances(DEV, limit=N_DEV))
    sets = {VOTES: _spread(work, test), HUMAN: load_recordings("en")}
    transcripts = {name: transcribe(work, dev, name) for name in RECOGNIZERS}
    on_dev = {name: votes.word_error_rate(dev, best_texts(row, dev)) for name, row in transcripts.items()}
    tuned = {name: votes.tune(dev, transcripts, name) for name in votes.GRIDS}
    outputs.measurements["on val"] = on_dev | {name: value for name, (_, value) in tuned.items()}
    outputs.measurements["settings"] = {
        name: config.model_dump(mode="json", exclude_defaults=True) for name, (config, _) in tuned.items()
    }
    for data, spoken in sets.items():
        own = {name: transcribe(work, spoken, name) for name in RECOGNIZERS}
        candidates = {name: best_texts(row, spoken) for name, row in own.items()}
        texts = candidates | {name: votes.combine(spoken, own, config) for name, (config, _) in tuned.items()}
        texts["best candidate (chosen by the reference)"] = votes.choose_by_reference(spoken, candidates)
        for system, row in texts.items():
            outputs.add_transcripts(data, spoken, system, 0, row)


def _spread(work: Workspace, utterances: Sequence[Utterance]) -> list[Utterance]:
    """Each third of the utterances by another voice."""
    parts = [speak(work, utterances[first :: len(CLEAN)], voice) for first, voice in enumerate(CLEAN)]
    by_id = {u.id: u for part in parts for u in part}
    return [by_id[u.id] for u in utterances]


def results(outputs: Outputs) -> dict[str, Measured]:
    """The registered comparisons; both definitions of bad are the metrics of the check."""
    signals = _signals(outputs)
    over = f"{len(outputs.ids[FLICKR16]):,} captions x {len(CONDITIONS)} conditions, within conditions"
    single, vote = best_on_val(outputs)

    def check(baseline: str | None) -> Measured:
        other = signals[baseline] if baseline else None
        bad = _is_bad(outputs)
        return by_metrics(list(bad), lambda m: compare_auc(signals[CONFIDENCE], other, bad[m], over))

    return {
        "transcript_as_check.asr_confidence": check(None),
        "transcript_as_check.against_mt": check(TRANSLATOR),
        "rover.vote_against_best": Measured(by_metric={"wer": _difference(outputs, VOTES, vote, single)}),
    }


def _is_bad(outputs: Outputs) -> dict[str, FloatArray]:
    """Definition -> 1 or 0 (conditions, captions): what recognition broke; what is bad, whoever did it."""
    gold = _sentence_chrf(outputs, GOLD)
    scores = np.stack([_sentence_chrf(outputs, voice) for voice in CONDITIONS])
    return {
        "auc, lost": np.asarray(gold - scores > BAD, np.float64),
        "auc, bad": np.asarray(scores < np.percentile(gold, 25), np.float64),
    }


def best_on_val(outputs: Outputs) -> tuple[str, str]:
    """The best recognizer and the best vote, on captions of val."""
    on_val = outputs.measurements["on val"]
    vote_names = [name for name in votes.GRIDS if name.startswith("ROVER")]
    recognizers, tuned = ({name: on_val[name] for name in names} for names in (RECOGNIZERS, vote_names))
    return best_on_dev(recognizers, higher_is_better=False), best_on_dev(tuned, higher_is_better=False)


def _difference(outputs: Outputs, data: str, system: str, baseline: str) -> Result:
    tables = ([outputs.statistics(data, name, 0, "wer")] for name in (system, baseline))
    return two_level(*tables, replicates="vote", items="recordings")


def _losses(outputs: Outputs) -> FloatArray:
    """chrF lost against the translation of the gold transcript (conditions, captions)."""
    gold = _sentence_chrf(outputs, GOLD)
    return np.stack([gold - _sentence_chrf(outputs, voice) for voice in CONDITIONS])


def _sentence_chrf(outputs: Outputs, system: str) -> FloatArray:
    table = outputs.statistics(FLICKR16, system, 0, "chrf")
    return table.metric.score(table.rows)


def _signals(outputs: Outputs) -> dict[str, FloatArray]:
    """What may tell bad translations (conditions, captions), higher where worse is expected."""
    signals = {
        name: -np.array([by_voice[voice] for voice in CONDITIONS])
        for name, by_voice in outputs.measurements["confidences"].items()
    }
    tables = [outputs.statistics("transcripts", voice, 0, "wer") for voice in CONDITIONS]
    return signals | {ERRORS: np.stack([table.metric.score(table.rows) for table in tables])}


def page(outputs: Outputs) -> list[str]:
    """What recognition costs, what tells bad translations, and votes."""
    lines = ["## What recognition costs translation", _cost_table(outputs)]
    lines += ["## What tells bad translations", *_signal_table(outputs)]
    for data in (VOTES, HUMAN):
        lines += [f"## Votes: {data}", *_vote_table(outputs, data)]
    return lines


def _cost_table(outputs: Outputs) -> str:
    gold = outputs.statistics(FLICKR16, GOLD, 0)
    rows = [(GOLD, "0.00", f"{gold.score():.2f}", "", "")]
    for voice, lost in zip(CONDITIONS, _losses(outputs), strict=True):
        table = outputs.statistics(FLICKR16, voice, 0)
        result = two_level([table], [gold], replicates="system", items="captions")
        interval = format_interval(result.interval, " ({:+.1f} to {:+.1f})")
        wer = outputs.statistics("transcripts", voice, 0, "wer").score()
        bad = f"{100 * np.mean(lost > BAD):.1f}"
        rows.append((voice, f"{wer:.2f}", f"{table.score():.2f}", f"{result.difference:+.2f}{interval}", bad))
    header = (
        "transcript by Whisper base of",
        "WER, %",
        "BLEU",
        "BLEU against gold (95%)",
        "bad translations, %",
    )
    return markdown_table(header, rows)


def _signal_table(outputs: Outputs) -> list[str]:
    rows = []
    for definition, is_bad in _is_bad(outputs).items():
        for name, signal in _signals(outputs).items():
            within = [
                auc(values, bad) for values, bad in zip(signal, is_bad, strict=True) if 0 < bad.mean() < 1
            ]
            cells = (f"{np.mean(within):.3f}", *_auc_by_condition(signal, is_bad))
            rows.append((f"{definition}: {name}", *cells))
    note = (
        "Area under the ROC curve: how often, of a bad and a good translation drawn at random, the bad one "
        'has the worse value (0.5 is chance). "Lost": 10 chrF against the translation of the gold '
        'transcript; "bad": in the lowest quarter of gold transcripts\' chrF.'
    )
    return [note, markdown_table(("signal", "mean", *CONDITIONS), rows)]


def _auc_by_condition(signal: FloatArray, is_bad: FloatArray) -> list[str]:
    return [
        f"{auc(values, bad):.3f}" if 0 < bad.mean() < 1 else "none bad"
        for values, bad in zip(signal, is_bad, strict=True)
    ]


def _vote_table(outputs: Outputs, data: str) -> list[str]:
    single, _ = best_on_val(outputs)
    on_val, settings = outputs.measurements["on val"], outputs.measurements["settings"]
    rows = []
    for system in outputs.names(data):
        table = outputs.statistics(data, system, 0, "wer")
        difference = ""
        if system != single:
            result = _difference(outputs, data, system, single)
            interval = format_interval(result.interval, " ({:+.2f} to {:+.2f})")
            difference = f"{result.difference:+.2f}{interval}, p {result.p:.4f}"
        tuned = ", ".join(f"{key} {value}" for key, value in settings.get(system, {}).items())
        val = f"{on_val[system]:.2f}" if system in on_val else ""
        rows.append((system, f"{table.score():.2f}", difference, val, tuned))
    header = (
        "system",
        "WER, %",
        f"against {single} (95%)",
        f"WER on {N_DEV} of val",
        "settings chosen there",
    )
    note = f"{len(outputs.ids[data]):,} recordings; {single} is the best recognizer on val."
    if data == HUMAN:
        note += " More than half are by one speaker, so the intervals are too narrow for other speakers."
    return [note, markdown_table(header, rows)]
