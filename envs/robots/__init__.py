"""Robots: what acts and senses."""
