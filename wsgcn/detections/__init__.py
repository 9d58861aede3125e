"""The sources of 2D detections, one file each behind `base.DetectionReader`; `sources.SOURCES` lists them."""
