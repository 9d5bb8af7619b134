"""The sections of the GPU benchmark: modules with ``measure(context)``, which yields rows as they come."""
