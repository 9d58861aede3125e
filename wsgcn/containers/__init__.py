"""Archives and arrays as other people's files hold them, read in place, within limits, and without running anything."""
