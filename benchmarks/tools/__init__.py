"""What makes files of the repository: the sample set, the picture of a report."""
