"""Stores on object storage: objects below a URL, a mirror of them on this machine, leases among machines."""
