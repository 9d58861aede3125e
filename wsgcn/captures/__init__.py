"""Motion captures: what one is, how each kind is read, and stage preprocess, which writes poses.h5."""
