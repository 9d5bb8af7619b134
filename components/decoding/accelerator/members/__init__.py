"""Members of an ensemble off the CPU, in groups, mixed in their own step."""
