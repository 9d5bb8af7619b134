"""Statistics: resampling, tests, correlations, Shapley values."""
