"""Every model by every method on every board: what `make bench` measures and writes."""
