"""Fit the estimators that travel with Antiphon, on development data alone; write their cards.

    python -m benchmarks.quality.confidence.spoken_captions FOLDER
    python -m benchmarks.tools.fit_packaged_estimators --spoken FOLDER/val.jsonl --store STORE [NAME ...]

A fit is a run of ``antiphon run estimator``: an interrupted one goes on, and a finished one is reused.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import NamedTuple

from benchmarks.common.paths import ROOT
from components.confidence.estimators.config import ESTIMATOR_FILE
from components.confidence.estimators.fitted_estimator import FittedEstimator, read_estimator
from components.confidence.estimators.sources import PACKAGED, locate_estimator
from components.files.files import write_bytes

CARD = "README.md"
TRANSCRIPT_FEATURES = (
    *("mean_log_prob", "min_log_prob", "std_log_prob", "no_speech"),
    *("n_tokens", "n_characters", "text.mean_log_prob"),
)
"""What every recognition by Whisper has, greedy or by beam search. No speaking rate: voices differ in it."""
TRANSLATION_FEATURES = (
    *("mean_log_prob", "min_log_prob", "std_log_prob", "compression_ratio"),
    *("word_ratio", "character_ratio", "n_words"),
)


class Fit(NamedTuple):
    """One estimator: the model that it is for, parameters of the run, and what its data are, for the card."""

    model: str
    parameters: dict[str, object]
    data: str
    limits: str


_SPOKEN = (
    "captions of Multi30k's val split in English, spoken by two voices of Festival Lite (slt, rms), each "
    "without noise and with pink noise at 10 and 5 dB; greedy search"
)
_SHORT = (
    "Sentences of a few seconds by two synthetic voices. Where the share of errors is another one, so are "
    "the probabilities: on the sample set (another voice, no noise, 96% of the words right) those of words "
    "by the estimator of tiny.en were off by 4 points (ECE; AUROC 0.88 beside 0.91 of their log-probability) "
    "and its p_correct by 28, too low; the features were chosen among 12 combinations by this set, so that "
    "this is optimistic. On human recordings no gain over the log-probability can be told "
    "(docs/results/confidence.md). On long recordings p_correct and expected_wer say little. On other "
    "speech, fit your own: `antiphon run estimator --data dev.jsonl`"
)


def _of_whisper(name: str) -> Fit:
    asr = {"model": f"packaged:{name}", "beam_size": 1, "n_best": 1}
    return Fit(f"packaged:{name}", {"asr": asr, "features": TRANSCRIPT_FEATURES}, _SPOKEN, _SHORT)


FITS = {
    "whisper-tiny.en": _of_whisper("whisper-tiny.en"),
    "whisper-base": _of_whisper("whisper-base"),
    "multi30k-en-de": Fit(
        "packaged:multi30k-en-de",
        {
            "of": "translation",
            "data": "multi30k:val",
            "mt": {"model": "packaged:multi30k-en-de"},
            "features": TRANSLATION_FEATURES,
        },
        "Multi30k's val split, English captions and their German translations; beam search as by default",
        "Captions of images, written by people. Transcripts with errors and other domains were not seen: fit "
        "your own: `antiphon run estimator --data dev.jsonl --set of=translation`",
    ),
}


def fit(name: str, spoken: Path | None, limit: int | None, store: str) -> FittedEstimator:
    """Run one fit; returns the estimator."""
    values = {"method": "logistic", "name": f"estimator-{name.replace('.', '-')}", "replace": True}
    values |= {"store": store, "limit": limit, **FITS[name].parameters}
    values.setdefault("data", str(spoken))
    with tempfile.NamedTemporaryFile("w", suffix=".json") as config:
        json.dump(values, config)
        config.flush()
        command = [sys.executable, "-m", "flows.cli.main", "run", "estimator", "-c", config.name]
        subprocess.run(command, check=True, cwd=ROOT)
    return read_estimator(locate_estimator(f"store:{values['name']}", store))


def card(name: str, estimator: FittedEstimator) -> str:
    """The card of a fitted estimator: for what, on what, how good on held-out folds."""
    row = FITS[name]
    rows = [
        f"| `{target}` | {quality['n']:,.0f} | "
        + " | ".join(
            f"{quality[number]:.3f}" if number in quality else ""
            for number in ("rate", "auroc", "ece", "nce", "pearson", "mean_absolute_error")
        )
        + " |"
        for target, fitted in estimator.targets.items()
        for quality in [fitted.quality]
    ]
    bad = "" if estimator.bad_below is None else f"`p_bad`: chrF below {estimator.bad_below:.1f}. "
    about = (
        f"Fitted on {estimator.items:,} utterances: {row.data}. Method: {estimator.method}. No test data "
        "were used. The numbers are of held-out folds, with all utterances of one reference in one fold."
    )
    use = f"{{kind: estimate, of: NODE, model: packaged:{name}}}"
    return f"""# Estimator packaged:{name}

For {estimator.of}s by `{row.model}`: `{use}`.

{textwrap.fill(about, 120)}

| estimate | n | rate | AUROC | ECE | NCE | Pearson | mean absolute error |
| --- | --- | --- | --- | --- | --- | --- | --- |
{chr(10).join(rows)}

{textwrap.fill(bad + row.limits + ".", 120)}

Made by `python -m benchmarks.tools.fit_packaged_estimators`; license: that of Antiphon.
"""


def main() -> None:
    """Fit, and write files and cards."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*FITS, []], help="which; all if none")
    parser.add_argument("--spoken", type=Path, help="manifest of spoken development captions")
    parser.add_argument("--limit", type=int, help="only the first so many utterances")
    parser.add_argument("--store", required=True, help="where the runs are kept")
    options = parser.parse_args()
    for name in options.names or FITS:
        estimator = fit(name, options.spoken, options.limit, options.store)
        folder = PACKAGED / name
        folder.mkdir(parents=True, exist_ok=True)
        write_bytes(folder / ESTIMATOR_FILE, json.dumps(estimator.model_dump(mode="json"), indent=1).encode())
        write_bytes(folder / CARD, card(name, estimator).encode())
        print(f"{folder / ESTIMATOR_FILE}: {(folder / ESTIMATOR_FILE).stat().st_size} bytes", flush=True)


if __name__ == "__main__":
    main()
