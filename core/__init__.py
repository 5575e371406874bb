"""Ground that knows no world: errors, files that are whole or absent, classes named in text."""
