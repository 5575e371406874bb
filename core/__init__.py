"""The base of all layers: errors, atomic files, classes named in text."""
