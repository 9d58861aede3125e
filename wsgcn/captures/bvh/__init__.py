"""Motion capture in BVH files.

A file's text becomes joints and channels, and these positions (`files`), of Human3.6M's joints (`skeletons`), in metres
with z up, for the takes of a folder or zip archive (`capture`).
"""
