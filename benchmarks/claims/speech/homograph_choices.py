"""Right choices between the two readings of homographs, word by word."""

from __future__ import annotations

import numpy as np

from benchmarks.claims.outputs import Outputs
from components.metrics.statistics.bootstrap import FloatArray


def word_sums(
    outputs: Outputs, system: str, split: str, *, with_read: bool = True, nats: bool = False
) -> FloatArray:
    """Percent of right choices (or the nats by which the right one is preferred) and 1 (seeds, words, 2)."""
    sentences = outputs.measurements["sentences"]
    fit = [i for i, s in enumerate(sentences) if s["split"] == split and (with_read or s["word"] != "read")]
    words = sorted({sentences[i]["word"] for i in fit})
    of_word = np.array([[sentences[i]["word"] == word for i in fit] for word in words], np.float64)
    rows = []
    for margins in outputs.measurements["margins"][system].values():
        own = np.array([margins[i] for i in fit])
        values = own if nats else 100.0 * (own > 0)
        shares = of_word @ values / of_word.sum(1)
        rows.append(np.stack([shares, np.ones(len(words))], 1))
    return np.stack(rows)


def mean_share(sums: FloatArray) -> FloatArray:
    """Macro means (...) of sums (..., 2) over words."""
    return np.asarray(sums[..., 0] / sums[..., 1])


def share_in_translations(outputs: Outputs, system: str, split: str) -> float:
    """Percent of translations with the reading's word and without the other's, a macro mean over words."""
    sentences = outputs.measurements["sentences"]
    by_word: dict[str, list[bool]] = {}
    for row in (s for s in outputs.systems if s.system == system):
        for sentence, text in zip(sentences, row.texts, strict=True):
            if sentence["split"] == split:
                words = set(text.replace(".", " ").split())
                mine, other = (set(key.split()) <= words for key in sentence["keys"])
                by_word.setdefault(sentence["word"], []).append(mine and not other)
    return 100 * float(np.mean([np.mean(matches) for matches in by_word.values()]))
