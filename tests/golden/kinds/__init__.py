"""What of each kind of node enters the keys of its stages: graphs.yaml, and what they gave, facts.json.

``python -m tests.golden.kinds`` writes facts.json again and says what moved.
"""
