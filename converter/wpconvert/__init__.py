"""wpconvert rewrites neural network files so that compressed weights execute in place on microcontrollers."""

__version__ = "0.1.0"
