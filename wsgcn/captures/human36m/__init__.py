"""Human3.6M: its names, cameras and quirks, and the layouts in which its 3D joint positions circulate."""
