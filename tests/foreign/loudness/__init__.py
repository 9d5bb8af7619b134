"""A package that knows Antiphon by its documentation alone."""
