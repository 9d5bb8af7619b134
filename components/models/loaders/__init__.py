"""Loaders: from a resolved folder to a module on a device."""
