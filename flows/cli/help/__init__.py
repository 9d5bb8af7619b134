"""What all commands share: help, options, completion, console."""
