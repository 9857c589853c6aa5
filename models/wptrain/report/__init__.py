"""What a training says of itself: cards, runs."""
