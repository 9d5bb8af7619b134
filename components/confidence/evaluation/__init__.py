"""How good confidences are, where there are references: calibration, discrimination, correlation."""
