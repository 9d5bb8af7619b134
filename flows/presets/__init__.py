"""The flows that are graphs: a YAML file each, of which flow, form, parameters and flags are made."""
