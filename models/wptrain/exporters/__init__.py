"""Trained networks as files that wpconvert and TFLite runtimes read."""
