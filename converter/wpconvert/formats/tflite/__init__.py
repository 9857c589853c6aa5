"""Reading, rewriting and writing `.tflite` files."""
