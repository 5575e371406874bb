"""The harness: an experiment is configured, run, measured and shown; data flows one way."""
