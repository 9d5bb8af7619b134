"""Which weights of a linear map stay: magnitude pruning (Han et al., 2015) to a pattern of zeros.

``2:4`` keeps the two largest of every four weights of a row (Mishra et al., 2021), ``block`` the 32 x 32
blocks of largest norm, ``single`` the largest weights wherever they are.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from components.errors import ConfigError

Pattern = Literal["2:4", "block", "single"]
BLOCK = 32
GROUP_SHAPES: dict[Pattern, tuple[int, int]] = {"2:4": (1, 4), "block": (BLOCK, BLOCK), "single": (1, 1)}
"""Rows and columns of the groups that a pattern divides a weight into."""


def mask_by_magnitude(weight: Tensor, pattern: Pattern, keep: float = 0.5) -> Tensor:
    """Return which weights stay, by magnitude.

    Args:
        weight: a linear map's weight (O, I).
        pattern: where zeros may be.
        keep: share of the weights that stay, above 0 and at most 1; for 2:4 it is half whatever this says.

    Returns:
        A mask (O, I), bool: True where the weight stays.

    Raises:
        ConfigError: where the shape does not suit the pattern.
    """
    rows, columns = weight.shape
    size = GROUP_SHAPES[pattern]
    if rows % size[0] or columns % size[1] or not 0 < keep <= 1:
        raise ConfigError(
            f"pattern {pattern}: expected a weight of multiples of {size} and 0 < keep <= 1, "
            f"found {rows} x {columns} and {keep}"
        )
    if pattern == "2:4":
        fours = weight.abs().view(rows, -1, 4)
        best = fours.topk(2, -1).indices
        return torch.zeros_like(fours, dtype=torch.bool).scatter(-1, best, True).view(rows, columns)
    blocks = weight.view(rows // size[0], size[0], columns // size[1], size[1])
    norms = blocks.float().square().sum((1, 3))
    count = max(1, round(keep * norms.numel()))
    largest = norms.flatten().topk(count).indices
    block_mask = (
        torch.zeros_like(norms, dtype=torch.bool).flatten().scatter(0, largest, True).view(norms.shape)
    )
    return block_mask.repeat_interleave(size[0], 0).repeat_interleave(size[1], 1)


def fits_pattern(weight: Tensor, pattern: Pattern) -> bool:
    """Return whether the shape of a weight (O, I) is a multiple of the pattern's groups."""
    rows, columns = GROUP_SHAPES[pattern]
    return weight.shape[0] % rows == 0 and weight.shape[1] % columns == 0
