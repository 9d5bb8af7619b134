"""Which weights of a linear map stay: magnitude pruning (Han et al., 2015) to a pattern of zeros.

``N:M``, as ``2:4``, keeps the N largest of every M weights of a row (Mishra et al., 2021), ``block`` the
32 x 32 blocks of largest norm, ``single`` the largest weights wherever they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from components.errors import ConfigError
from components.pruning.patterns import OF_ROW, group_shape


def mask_by_magnitude(weight: Tensor, pattern: str, keep: float = 0.5) -> Tensor:
    """Return which weights stay, by magnitude.

    Args:
        weight: a linear map's weight (O, I).
        pattern: where zeros may be.
        keep: share of the weights that stay, above 0 and at most 1; for N:M it is N / M whatever this says.

    Returns:
        A mask (O, I), bool: True where the weight stays.

    Raises:
        ConfigError: where there is no such pattern, or the shape does not suit it.
    """
    rows, columns = weight.shape
    size = group_shape(pattern)
    if rows % size[0] or columns % size[1] or not 0 < keep <= 1:
        raise ConfigError(
            f"pattern {pattern}: expected a weight of multiples of {size} and 0 < keep <= 1, "
            f"found {rows} x {columns} and {keep}"
        )
    if match := OF_ROW.fullmatch(pattern):
        groups = weight.abs().view(rows, -1, size[1])
        best = groups.topk(int(match[1]), -1).indices
        return torch.zeros_like(groups, dtype=torch.bool).scatter(-1, best, True).view(rows, columns)
    norms = group_norms(weight, pattern)
    count = max(1, round(keep * norms.numel()))
    largest = norms.flatten().topk(count).indices
    mask = torch.zeros_like(norms, dtype=torch.bool).flatten().scatter(0, largest, True).view(norms.shape)
    return spread(mask, pattern)


def group_norms(weight: Tensor, pattern: str) -> Tensor:
    """Return the squared norm of every group of a weight (O, I), as float32."""
    (rows, columns), (high, wide) = weight.shape, group_shape(pattern)
    return weight.view(rows // high, high, columns // wide, wide).float().square().sum((1, 3))


def spread(mask: Tensor, pattern: str) -> Tensor:
    """Return a mask of groups as one of weights."""
    high, wide = group_shape(pattern)
    return mask.repeat_interleave(high, 0).repeat_interleave(wide, 1)


def masks_together(weights: Sequence[Tensor], pattern: str, keep: float) -> list[Tensor]:
    """Return the masks of several weights of which the largest groups stay, in whichever they are.

    Args:
        weights: linear maps' weights (O, I).
        pattern: single or block; groups of N:M are compared within a row only.
        keep: share of all groups that stay.
    """
    if OF_ROW.fullmatch(pattern):
        return [mask_by_magnitude(weight, pattern, keep) for weight in weights]
    norms = [group_norms(weight, pattern) for weight in weights]
    everything = torch.cat([each.flatten() for each in norms])
    threshold = everything.topk(max(1, round(keep * everything.numel()))).values[-1]
    return [spread(each >= threshold, pattern) for each in norms]


def fits_pattern(weight: Tensor, pattern: str) -> bool:
    """Return whether the shape of a weight (O, I) is a multiple of the pattern's groups."""
    rows, columns = group_shape(pattern)
    return weight.shape[0] % rows == 0 and weight.shape[1] % columns == 0
