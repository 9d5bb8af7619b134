"""BLEU, chrF, TER and counts of terms and hallucinations."""
