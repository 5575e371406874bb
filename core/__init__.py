"""What all layers share: errors, atomic files, classes named in text."""
