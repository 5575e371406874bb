"""Videos of policies."""
