"""Documents, tables, plain text and JSON."""
