"""Late fusion where no search can mix the systems: German speech into English.

The cascade is Whisper's transcript and a prompted language model, the direct system is Whisper's translate
task: two vocabularies, so finished lists are pooled and each text is scored by both (``method=pooled``).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import flows  # noqa: F401 - sets what Prefect reads when it is imported
from benchmarks.common.tables import format_difference, format_score, markdown_table
from benchmarks.quality.stacking.runs import WORK
from components.metrics.significance import translation_tests
from components.metrics.translation import translation_scores
from components.recognition.config import RecognitionConfig
from components.records import NBest, Utterance
from components.run_record import RunRecord, Score
from components.storage.reader import read_best_texts, read_utterances
from components.translation.speech import SpeechTranslator
from tasks.task_options import unwrap

WHISPER, READER = "packaged:whisper-base", "packaged:qwen2.5-coder-0.5b"
TEST, DEV = ("multi30k:test_2016_flickr", 150), ("multi30k:val", 50)
DIRECT = "direct: Whisper's translate task"
FUSED = "late fusion: both lists pooled, each text scored by both"
CASCADE = "cascade: Whisper's transcript, Qwen2.5-Coder 0.5B (few-shot)"


def run() -> RunRecord:
    """The stack flow on German captions that espeak-ng speaks (what is in the store is reused)."""
    from flows.stack import stack

    settings: dict[str, Any] = {
        "data": TEST[0],
        "limit": TEST[1],
        "source_language": "de",
        "target_language": "en",
        "synthesis": {"engine": "espeak-ng", "voices": ["de"]},
        "asr": {"model": WHISPER, "beam_size": 1, "n_best": 1},
        "mt": {"model": READER, "beam_size": 4, "n_best": 4, "max_tokens": 60},
        "learn": {"dev": DEV[0], "dev_limit": DEV[1], "speech_model": WHISPER},
        "stack": {"method": "pooled", "beam_size": 4, "n_best": 4},
        "store": str(WORK / "store"),
        "name": "pooled-into-english",
        "replace": True,
    }
    record: RunRecord = unwrap(stack(**settings))
    return record


def translate_directly(spoken: Sequence[Utterance]) -> tuple[dict[str, str], float]:
    """Whisper's own translations, and the wall seconds that they took."""
    translator = SpeechTranslator(RecognitionConfig(model=WHISPER, beam_size=4, n_best=4, device="cpu"))
    begun = time.perf_counter()
    outcomes = translator.translate(spoken)
    texts = {o.utterance_id: o.best.text for o in outcomes if isinstance(o, NBest)}
    return texts, time.perf_counter() - begun


def format_table() -> list[str]:
    """The three systems on the same recordings."""
    record = run()
    stages = {ref.stage: ref for ref in record.stages}
    utterances = list(read_utterances(stages["data"]))
    references = {u.id: u.references for u in utterances}
    translations, seconds = translate_directly(utterances)
    systems = {
        CASCADE: read_best_texts(stages["mt"]),
        DIRECT: translations,
        FUSED: read_best_texts(stages["stack"]),
    }
    wall = {CASCADE: stages["asr"].seconds + stages["mt"].seconds, DIRECT: seconds}
    wall[FUSED] = wall[CASCADE] + stages["stack"].seconds
    tests = {
        d.system: d for d in translation_tests(references, systems, CASCADE, language="en", names=("bleu",))
    }
    scores = {
        name: translation_scores(references, texts, language="en", n_total=len(utterances))
        for name, texts in systems.items()
    }
    rows = [
        [
            name,
            format_score(system_scores["bleu"]),
            f"{system_scores['chrf'].value:.1f}",
            format_difference(tests.get(name)),
            f"{wall[name]:.0f}",
        ]
        for name, system_scores in scores.items()
    ]
    header = ["system", "BLEU (95% interval)", "chrF", "against the cascade, p after Holm", "wall s"]
    return [*_protocol(record, scores[CASCADE]["bleu"]), markdown_table(header, rows), ""]


def _protocol(record: RunRecord, bleu: Score) -> list[str]:
    weight = next((note for note in record.notes if "coefficient" in note), "")
    return [
        f"{bleu.n} of {bleu.n_total} German captions of {TEST[0].split(':')[1]}, spoken by espeak-ng (a "
        f"hard voice: WER of the transcripts {record.metrics['wer'].value:.1f}%), into English; {DEV[1]} of "
        f"val for the weight ({weight}). Four texts from each system. Wall seconds are for all of them, on "
        "a machine that other work shared; those of the fusion hold the cascade's. p: paired bootstrap, "
        f"two-sided. BLEU: `{bleu.signature}`.",
        "",
    ]
