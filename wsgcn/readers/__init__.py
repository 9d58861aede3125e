"""Readers of other people's files: Human3.6M's 3D layouts and the formats of 2D detections."""
