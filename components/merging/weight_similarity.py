"""Whether two models descend from one initialization: cosines of their weights, layer by layer.

Weights of unrelated initializations are as good as orthogonal: the cosine of n elements is 0 give or take
1/sqrt(n), and training moves it little. Descendants of one initialization keep most of their direction.
Averages of unrelated models are noise, whatever the method.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from typing import NamedTuple

import torch

from components.merging.architecture.layer_names import layer_of
from components.merging.architecture.tied_weights import find_stored_name
from components.merging.io.model_folder import ModelFolder

SAMPLE_ELEMENTS = 1 << 18
"""Elements of a tensor that are compared, from its beginning."""
RELATED_COSINE = 0.3
"""Median cosine from which two models count as descendants of one initialization."""


class LayerSimilarity(NamedTuple):
    """Similarity of one layer of two models.

    Attributes:
        layer: its name.
        cosine: of the layer's weights, from -1 to 1.
        unrelated_bound: what unrelated initializations give at most (3 standard deviations).
    """

    layer: str
    cosine: float
    unrelated_bound: float


class WeightSimilarity(NamedTuple):
    """How similar a model's weights are to those of a reference.

    Attributes:
        model: the model's name.
        reference: the reference's name.
        median: median cosine over the matrices.
        layers: by layer, in the order of the files.
    """

    model: str
    reference: str
    median: float
    layers: tuple[LayerSimilarity, ...]

    @property
    def is_related(self) -> bool:
        """Whether both seem to descend from one initialization."""
        return self.median >= RELATED_COSINE

    def __str__(self) -> str:
        """Return the line that the command prints."""
        low = min(self.layers, key=lambda layer: layer.cosine)
        return (
            f"{self.model}: weight cosine with {self.reference} {self.median:.3f} in the median, lowest "
            f"{low.cosine:.3f} in {low.layer} (unrelated initializations: 0 ± {low.unrelated_bound:.3f})"
        )


def compare_weights(folder: ModelFolder, reference: ModelFolder) -> WeightSimilarity | None:
    """Compare the weights of two models, matrix by matrix.

    Vectors (norms, biases) and position embeddings are left out: they are alike in any two models.

    Returns:
        None where the models share no matrix of one shape.
    """
    sums: dict[str, list[float]] = {}
    cosines: list[float] = []
    for name, entry in folder.tensors.items():
        other = find_stored_name(name, reference.tensors)
        if other is None or reference.tensors[other].shape != entry.shape:
            continue
        if len(entry.shape) < 2 or not entry.dtype.is_floating_point or "position" in name:
            continue
        count = min(entry.numel, SAMPLE_ELEMENTS)
        a = folder.read(entry, 0, count).float()
        b = reference.read(reference.tensors[other], 0, count).float()
        products = [float(torch.dot(x, y)) for x, y in ((a, a), (b, b), (a, b))]
        if products[0] <= 0 or products[1] <= 0:
            continue
        cosines.append(products[2] / math.sqrt(products[0] * products[1]))
        layer = layer_of(name)
        key = f"{layer.stack}.{layer.number}" if layer else name
        total = sums.setdefault(key, [0.0, 0.0, 0.0, 0.0])
        for index, value in enumerate((*products, float(count))):
            total[index] += value
    if not cosines:
        return None
    layers = tuple(_layer_similarities(sums.items()))
    return WeightSimilarity(folder.reference, reference.reference, statistics.median(cosines), layers)


def _layer_similarities(sums: Iterable[tuple[str, list[float]]]) -> Iterable[LayerSimilarity]:
    for key, (aa, bb, ab, count) in sums:
        yield LayerSimilarity(key, ab / math.sqrt(aa * bb), 3.0 / math.sqrt(count))
