"""One result object per job; text, JSON and CSV are views of it."""
