"""Parameters of the searches: tune and design."""
