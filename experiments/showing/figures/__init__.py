"""Figures, as matplotlib draws them."""
