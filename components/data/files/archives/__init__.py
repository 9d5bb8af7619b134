"""Data sets that keep their recordings in tar, Parquet or Arrow files."""
