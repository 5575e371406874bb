"""One file a world: what it is made of, its recommended ranges and its shift families."""
