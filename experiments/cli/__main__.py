"""`python -m headstart.experiments.cli` is `headstart`."""

from .app import main

main()
