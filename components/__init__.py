"""Models and algorithms. Works without Prefect; never imports it."""
