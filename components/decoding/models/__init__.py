"""What each architecture needs to be searched: its token scorer and its key-value cache."""
