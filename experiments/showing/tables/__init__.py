"""Tables: in the terminal, for papers, and of the registries."""
