"""Tables and lines for the terminal (rich): a run, a stage, one utterance."""
