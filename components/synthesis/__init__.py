"""Text -> speech, for spoken data from text; the engines are rows of a table in :mod:`.engines`."""
