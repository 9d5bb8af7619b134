"""Neural network modules of our own (torch and kernels only): deliberation, edit diffusion, and mixtures of experts."""
