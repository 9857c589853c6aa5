"""Instruction counts of a model on a simulated board: measured with QEMU, profiled, and turned into modelled cycles."""
