"""What changes a network's weights or layers during training, one file or folder each."""
