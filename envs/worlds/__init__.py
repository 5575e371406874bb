"""One file a world: its parts, its recommended ranges and its shift families."""
