"""Where a store lies: a folder or object storage, locks and leases."""
