"""Training: sets, batches, losses, the step, the trainer, and the two stages."""
