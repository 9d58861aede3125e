"""The networks that lift the 2D joints of one frame to 3D."""
