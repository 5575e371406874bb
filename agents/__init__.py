"""Learners: algorithms by name, the one training loop, evaluation, and bundles on disk."""
