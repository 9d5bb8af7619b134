"""Steps of fixed shapes on kept buffers, recorded as CUDA graphs."""
