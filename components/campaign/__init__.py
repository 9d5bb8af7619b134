"""Campaigns of human judgement: blinded items that tell systems apart, for pearmut or tables; answers."""
