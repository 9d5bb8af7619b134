"""Text -> speech, to make spoken data from text-only data. Engines are the rows of ``engines.ENGINES``."""
