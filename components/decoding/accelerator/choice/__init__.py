"""A beam's choice on buffers of fixed size."""
