"""Human3.6M's 3D joint positions, in each of the layouts in which they circulate: a file a layout.

`find.find_layout` recognises what a file or a folder holds; the `Capture` that it returns gives the recordings in it.
A new layout is one more `recording.Layout`, listed in find.py.
"""
