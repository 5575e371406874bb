"""Plane geometry of driving worlds: rays, circuits, roads and parking lots."""
