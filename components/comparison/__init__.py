"""Systems side by side: tests, rankings, dominance, degradation."""
