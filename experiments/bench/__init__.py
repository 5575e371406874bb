"""One module for each `headstart bench` command."""
