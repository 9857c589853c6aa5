"""What a model becomes beside a file of its own format: one folder each."""
