"""The search over candidates: a race, what it selects by, and what it need not compute."""
