"""Commands that compute: run, plan, tune, merge and the analyses."""
