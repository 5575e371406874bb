"""Networks of policies: layers by name."""
