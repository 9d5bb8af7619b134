"""The programs of serving's benchmark: servers, what asks them, and a plain service to compare with."""
