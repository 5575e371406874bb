"""What an experiment is: its schema, and how files and settings become one."""
