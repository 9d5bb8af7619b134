"""What can be set on each flow: one pydantic model serves the form, the YAML file and the flags."""
