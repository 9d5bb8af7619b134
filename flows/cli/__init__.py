"""The command line: `antiphon` and its subcommands."""
