"""The ground floor, which knows nothing of poses: errors, whole files, HDF5, what a section of parameters is."""
