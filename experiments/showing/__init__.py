"""Showing: from run directories to results.csv, summary.json, figures, report and comparison."""
