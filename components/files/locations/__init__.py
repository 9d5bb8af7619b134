"""Where a file lies: on a disk, behind a URL, or inside a tar or Parquet file; opened within limits."""
