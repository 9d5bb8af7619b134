"""What the sections share: recordings, cached recognition, CPU timer, tables."""
