"""n-gram language models in ARPA files, read by pocketsphinx (extra ``sphinx``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from components.errors import ModelError, require_extra

UNKNOWN_LOG_PROB = -16.0
"""Log-probability (nats) of a word that a model without ``<unk>`` lacks; the next one has no history."""
_BEGIN, _END = "<s>", "</s>"
_UNKNOWN = ("<unk>", "<UNK>")
_IMPOSSIBLE = -1e4
"""Pocketsphinx gives less (nats) to a word that a model does not have, and to the others far more."""


class NgramModel:
    """A word n-gram model.

    Log-probabilities are pocketsphinx's, in steps of 1e-4. A word that the model lacks is its ``<unk>``, as
    KenLM reads it.

    Args:
        path: an ARPA file.
        normalize: how texts are written in the model's training data; words are divided by spaces.

    Raises:
        ConfigError: pocketsphinx is not installed.
        ModelError: The file is no ARPA file, or lacks the beginning or the end of a sentence.
    """

    def __init__(self, path: Path, normalize: Callable[[str], str]) -> None:
        require_extra("language_model: an n-gram model", "pocketsphinx", "sphinx")
        import pocketsphinx  # noqa: PLC0415 - an extra

        if not path.is_file():
            raise ModelError(f"{str(path)[:200]}: expected an ARPA file, found none")
        try:
            self._model: Any = pocketsphinx.NGramModel.readfile(str(path))
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"{path}: expected an n-gram model in ARPA format, found none") from error
        self._to_nats = pocketsphinx.LogMath().log_to_ln
        self._normalize = normalize
        self._unknown = next(filter(self._has, _UNKNOWN), None)
        if self._model.prob([_END]) == self._model.prob(["\x00"]):  # no word, or that of <UNK>
            raise ModelError(f"{path}: expected {_END}, the end of a sentence, among the words, found none")

    def score(self, texts: Sequence[str], end: bool = True) -> list[float]:
        """Return the log-probability (nats) of each text, with its end or without."""
        return [self._score(self._normalize(text).split(), end=end) for text in texts]

    def _score(self, words: Sequence[str], *, end: bool) -> float:
        total, past = 0.0, [_BEGIN]
        order = self._model.size()
        for word in [*words, *([_END] if end else [])]:
            known = word if self._has(word) else self._unknown
            if known is None:
                total, past = total + UNKNOWN_LOG_PROB, []
                continue
            total += self._to_nats(self._model.prob([known, *past[: max(order - 1, 0)]]))
            past = [known, *past]
        return total

    def _has(self, word: str) -> bool:
        """Return whether the model has a word, or takes it for ``<UNK>`` by itself."""
        return bool(self._to_nats(self._model.prob([word])) > _IMPOSSIBLE)
