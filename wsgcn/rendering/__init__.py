"""Pictures of poses and figures of a run: Pillow draws the poses, matplotlib the figures, and neither keeps state."""
