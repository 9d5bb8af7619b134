"""The tokenizer of a Whisper folder, built from the vocabulary files that openai-whisper ships.

Those list byte strings by rank; ``tokenizer.json`` wants the merges that made each of them. A token's last
merge is found by encoding its bytes with all merges of lower rank: two parts are left.
"""

from __future__ import annotations

import base64
import json
from functools import cache
from pathlib import Path

from components.compute.openai_whisper import ASSETS, get_tokenizer

END = "<|endoftext|>"
MULTILINGUAL_VOCABULARY = 51865


@cache
def _byte_letters() -> dict[int, str]:
    """Return GPT-2's printable stand-in for each byte (Radford et al. 2019, ``encoder.py``)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    letters = {byte: chr(byte) for byte in printable}
    others = (byte for byte in range(256) if byte not in letters)
    return letters | {byte: chr(0x100 + index) for index, byte in enumerate(others)}


def _letters(token: bytes) -> str:
    return "".join(_byte_letters()[byte] for byte in token)


def _ranks(multilingual: bool) -> dict[bytes, int]:
    name = "multilingual.tiktoken" if multilingual else "gpt2.tiktoken"
    lines = (ASSETS / name).read_text(encoding="ascii").splitlines()
    return {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in lines if line)}


def last_merge(token: bytes, ranks: dict[bytes, int]) -> tuple[bytes, bytes]:
    """Return the two parts whose merge makes a token: its encoding with the merges of lower rank only.

    Args:
        token: a token of more than one byte.
        ranks: every token's rank; lower ranks are merged first.

    Raises:
        ValueError: No merge makes it.
    """
    limit = ranks[token]
    parts = [token[i : i + 1] for i in range(len(token))]
    while len(parts) > 2:
        pairs = [ranks.get(parts[i] + parts[i + 1], limit) for i in range(len(parts) - 1)]
        best = min(range(len(pairs)), key=pairs.__getitem__)
        if pairs[best] >= limit:
            raise ValueError(f"{token!r} has no merge in this vocabulary")
        parts[best : best + 2] = [parts[best] + parts[best + 1]]
    return parts[0], parts[1]


@cache
def tokenizer_json(vocabulary_size: int) -> str:
    """Return ``tokenizer.json`` for a Whisper model of ``vocabulary_size`` tokens (51864 is English only)."""
    multilingual = vocabulary_size >= MULTILINGUAL_VOCABULARY
    ranks = _ranks(multilingual)
    merges = [
        " ".join(map(_letters, last_merge(t, ranks)))
        for t in sorted(ranks, key=ranks.__getitem__)
        if len(t) > 1
    ]
    encoding = get_tokenizer(multilingual, num_languages=vocabulary_size - 51765 - int(multilingual)).encoding
    special = sorted((encoding.encode_single_token(t), t) for t in encoding.special_tokens_set)
    by_name = {token: identity for identity, token in special}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    start = [{"SpecialToken": {"id": t, "type_id": 0}} for t in ("<|startoftranscript|>", "<|notimestamps|>")]
    end = {"SpecialToken": {"id": END, "type_id": 0}}
    first, second = ({"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}})
    used = ("<|startoftranscript|>", "<|notimestamps|>", END)
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return json.dumps(
        {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            # Timestamps are ordinary added tokens: "special" ones are dropped when text is decoded.
            "added_tokens": [
                {"id": i, "content": t, **flags, "special": not t[2:3].isdigit()} for i, t in special
            ],
            "normalizer": None,
            "pre_tokenizer": byte_level,
            "post_processor": {
                "type": "TemplateProcessing",
                "single": [*start, first, end],
                "pair": [*start, first, second, end],
                "special_tokens": {t: {"id": t, "ids": [by_name[t]], "tokens": [t]} for t in used},
            },
            "decoder": byte_level,
            "model": {
                "type": "BPE",
                "dropout": None,
                "unk_token": None,
                "continuing_subword_prefix": "",
                "end_of_word_suffix": "",
                "fuse_unk": False,
                "vocab": {_letters(t): i for t, i in ranks.items()},
                "merges": merges,
            },
        },
        ensure_ascii=False,
    )


def write_tokenizer(folder: Path, vocabulary_size: int) -> None:
    """Write ``tokenizer.json`` and ``tokenizer_config.json`` of a Whisper model into ``folder``."""
    names = ("bos_token", "eos_token", "unk_token", "pad_token")
    settings = {"tokenizer_class": "WhisperTokenizer", "processor_class": "WhisperProcessor"}
    (folder / "tokenizer.json").write_text(tokenizer_json(vocabulary_size), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({**settings, **dict.fromkeys(names, END), "model_max_length": 1024}, indent=1) + "\n",
        encoding="utf-8",
    )
