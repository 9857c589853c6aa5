"""Run time and size of networks with weight pools on the simulated boards: what `make bench-pool` measures and writes."""
