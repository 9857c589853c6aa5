"""The host reference interpreter: TFLite's integer arithmetic in NumPy, one operator per function."""
