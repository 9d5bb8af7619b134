"""Clients of object storage, of the store and of data: what a URL opens, and what its errors mean."""
