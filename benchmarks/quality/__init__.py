"""Quality on real data: `python -m benchmarks.quality SECTION` writes docs/results/SECTION.md."""
