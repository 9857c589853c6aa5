"""Run time and size of networks with weight pools: what `make bench-pool` measures and writes."""
