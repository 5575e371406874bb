"""What carries over from the source to the target: transfer methods and randomizers."""
