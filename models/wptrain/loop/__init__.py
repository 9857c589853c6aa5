"""The training loop: seeded, resumable, the best epoch chosen on the validation split."""
