"""Running: from an experiment to a directory of append-only records, resumable at any moment."""
