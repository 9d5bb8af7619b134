"""CPU kernels: products with packed weights, attention of few queries to many keys, and exp with its sums.

They come by the group ``antiphon.kernels`` (:mod:`components.compute.layers.kernels`). Products are our own
(:mod:`.packed_product`, compiled by :mod:`.llvm` for the processor at hand) where it has AVX-512, else
oneDNN's (:mod:`.onednn`). Why: docs/decisions/0020.
"""
