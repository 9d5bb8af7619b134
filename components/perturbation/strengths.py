"""Settings of a perturbation that are amounts: what an axis of strengths is called, and in which steps."""

from __future__ import annotations

from typing import NamedTuple


class Strength(NamedTuple):
    """An amount that can be varied.

    Attributes:
        label: of an axis, with its unit.
        step: what slopes are stated per.
        step_label: the step in words.
        worse: 1 where a larger amount is worse, -1 where a smaller one is.
        scale: of the numbers on an axis, 100 where shares are shown as percentages.
    """

    label: str
    step: float
    step_label: str
    worse: int = 1
    scale: float = 1.0


STRENGTHS = {
    "snr_db": Strength("ratio of speech to noise (dB)", 10, "10 dB more noise", -1),
    "speed": Strength("speed", 0.1, "0.1 of speed more"),
    "reverb_seconds": Strength("reverberation (s)", 1, "second of reverberation more"),
    "min_hz": Strength("lowest frequency (Hz)", 1000, "1,000 Hz cut off below"),
    "max_hz": Strength("highest frequency (Hz)", 1000, "1,000 Hz cut off above", -1),
    "clipping": Strength("samples clipped (%)", 0.1, "10% of samples clipped", 1, 100),
    "typos": Strength("words with a typo (%)", 0.1, "10% of words with a typo", 1, 100),
    "disfluencies": Strength("disfluent words (%)", 0.1, "10% of disfluent words", 1, 100),
}
"""Setting -> how it is varied. None is no perturbation, which is no number on the axis."""
