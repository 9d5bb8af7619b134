"""What is remembered of data sets that were read before."""
