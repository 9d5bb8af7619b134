"""Search over the settings of a pipeline: variables, samplers, successive halving, the winner confirmed."""
