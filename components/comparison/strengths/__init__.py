"""Systems over an axis of strengths of one perturbation: curves and slopes."""
