"""Many models, one distribution: interpolation, negative evidence, learned coefficients, vocabularies."""
