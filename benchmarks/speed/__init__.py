"""Speed, side by side in one process: `python -m benchmarks.speed SECTION` writes docs/results/speed-SECTION.md."""
