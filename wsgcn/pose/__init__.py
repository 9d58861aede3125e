"""Poses, cameras and skeletons, the pipeline's own HDF5 files of them, and arrays out of those."""
