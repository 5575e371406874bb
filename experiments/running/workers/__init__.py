"""Workers that run units: processes of this machine, and tasks of a Ray cluster."""
