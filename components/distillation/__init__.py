"""Distillation: one small student learns from a system of any size."""
