"""Quality on real data: `python -m benchmarks.quality SECTION`."""
