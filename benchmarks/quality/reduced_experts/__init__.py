"""Quality against experts removed, of a translator whose experts differ."""
