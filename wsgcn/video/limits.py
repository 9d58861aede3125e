"""How much a film may cost; docs/limits.md has the same numbers for users.

It is decoded frame by frame, and what stays of a frame is 33 points of each person.
"""

FILE_BYTES = 64 * 2**30  # ten hours of a good camera
FRAMES = 1_000_000  # 9 hours at 30 frames a second; also the rows at a constant rate from the first to the last
PIXELS = 8192 * 8192  # of a frame; 8K has half of that
DAMAGED = 1000  # packets and frames that cannot be decoded, or not wholly
