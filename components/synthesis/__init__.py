"""Text -> speech, to make spoken data from text-only data. The engines are a table in :mod:`.engines`."""
