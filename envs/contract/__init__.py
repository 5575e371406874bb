"""Properties that an environment needs for a transfer to be measured on it."""
