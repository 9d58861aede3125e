"""The sources of 2D detections, one file each behind `base.DetectionReader`; `sources.OPEN` lists them."""
