"""Trained agents on disk: saved, verified, loaded, imported; some ship with the package."""
