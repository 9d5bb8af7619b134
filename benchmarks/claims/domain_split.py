"""Texts in two domains by spherical k-means over their tf-idf vectors (Dhillon and Modha, 2001)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
MIN_TEXTS, MAX_SHARE = 20, 0.05
"""Words of fewer training texts are left out, and those of a larger share of them (a, man, two, in)."""


@dataclass(frozen=True)
class DomainSplit:
    """Two centroids in the space of tf-idf vectors; the first is of the larger domain.

    Attributes:
        words: word -> column.
        idf: (W,), inverse document frequencies.
        centroids: (2, W), of length 1.
    """

    words: dict[str, int]
    idf: FloatArray
    centroids: FloatArray

    @classmethod
    def learn(cls, texts: Sequence[str], *, starts: int = 10, seed: int = 0) -> DomainSplit:
        """The split of highest mean cosine of ``starts`` random ones."""
        counts = Counter(word for text in texts for word in set(_words_of(text)))
        frequent = sorted(w for w, n in counts.items() if MIN_TEXTS <= n <= MAX_SHARE * len(texts))
        words = {word: column for column, word in enumerate(frequent)}
        idf = np.array([np.log(len(texts) / counts[word]) for word in words], np.float32)
        vectors = _vectorize(texts, words, idf)
        rng = np.random.default_rng(seed)
        runs = [_cluster(vectors, rng) for _ in range(starts)]
        centroids, _ = max(runs, key=lambda run: run[1])
        sizes = np.bincount((vectors @ centroids.T).argmax(1), minlength=2)
        return cls(words, idf, centroids[np.argsort(-sizes)])

    def assign(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """The domain of each text: 0 (the larger one) or 1."""
        return (_vectorize(texts, self.words, self.idf) @ self.centroids.T).argmax(1)

    def typical_words(self, domain: int, count: int = 12) -> list[str]:
        """The words by which a domain differs most from the other."""
        difference = self.centroids[domain] - self.centroids[1 - domain]
        names = list(self.words)
        return [names[n] for n in np.argsort(-difference)[:count]]


def _words_of(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _vectorize(texts: Sequence[str], words: dict[str, int], idf: FloatArray) -> FloatArray:
    vectors = np.zeros((len(texts), len(words)), np.float32)
    for row, text in enumerate(texts):
        for word in _words_of(text):
            if word in words:
                vectors[row, words[word]] += 1
    vectors *= idf
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def _cluster(vectors: FloatArray, rng: np.random.Generator, iterations: int = 30) -> tuple[FloatArray, float]:
    """Centroids from two random texts, and the mean cosine of each text with its own."""
    centroids, value = vectors[rng.choice(len(vectors), 2, replace=False)], -1.0
    for _ in range(iterations):
        cosines = vectors @ centroids.T
        domains, previous, value = cosines.argmax(1), value, float(cosines.max(1).mean())
        if value - previous < 1e-6:
            break
        means = np.stack([vectors[domains == n].sum(0) for n in (0, 1)])
        centroids = means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-9)
    return centroids, value
