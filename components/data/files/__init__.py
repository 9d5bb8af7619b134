"""Readers of data files: manifests, documents, subtitles, named sets."""
