"""What differs from world to world: recommended ranges and families of shifts."""
