"""The machine: devices, memory, batch sizes, cached models, profiling, progress."""
