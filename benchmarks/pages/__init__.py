"""The pages of docs/results, each written from what its benchmark measured and stored; no model runs here.

A page is a module with ``page(measurements)``, its text up to the notes, and ``headline(measurements)``, its
row in docs/results/README.md; ``draw(measurements, folder)`` where it has a picture.
"""
