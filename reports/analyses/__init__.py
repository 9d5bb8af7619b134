"""What a page says of any run: its verdict, scores of nodes and groups, word errors."""
