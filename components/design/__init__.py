"""The search over graphs: data and limits in, the systems worth having out."""
