"""Tasks: what sets goals, rewards and ends."""
