"""What a graph needs or may expect: models, costs, known numbers, a first file."""
