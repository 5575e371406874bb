"""Pages in HTML: the report, comparisons and sweeps."""
