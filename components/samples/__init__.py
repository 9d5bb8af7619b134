"""The sample set: recordings, texts, manifest (see README.md). A package so that it is installed."""
