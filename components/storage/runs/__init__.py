"""Records of runs: listing, acceptance, uses, report files."""
