"""WS-GCN: 3D human pose from the 2D joints of one frame, with 3D labels of one subject only.

Every module states its axes with these letters:
B batch, T frames, J joints, E bones, G joint groups, C channels, K cameras.
Quantities carry frame and unit in their names (`_m`, `_mm`, `_px`); lengths are metres unless the name says otherwise.
"""
