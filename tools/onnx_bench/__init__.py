"""Trained networks from PyTorch over ONNX to the simulated boards: what `make bench-onnx` measures and writes."""
