"""What a pipeline made, as files that people work with."""
