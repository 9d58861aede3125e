"""2D keypoints of one's own people, one file a format behind `base.KeypointFile`; `formats.open_keypoints` finds it."""
