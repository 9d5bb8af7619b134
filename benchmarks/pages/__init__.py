"""The pages of docs/results, each written from what its benchmark measured and stored; no model runs here.

A page is a row, :class:`benchmarks.pages.page.Page`, in the ``PAGES`` of a module: its texts, and functions
that make its sentence of result and its tables from the measurements.
"""
