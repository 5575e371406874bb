"""Training cores: Stable-Baselines3's algorithms with hooks that transfer methods compose."""
