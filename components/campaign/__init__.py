"""Campaigns of human judgement: items that tell systems apart, blinded, for pearmut or a table; and the answers."""
