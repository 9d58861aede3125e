"""A synthetic capture: made-up people who act Human3.6M's actions, so that the pipeline runs without licensed data.

body (bones, joint limits, kinematics) <- motion (smooth motion, footsteps) <- actions (what is acted) <- capture
(files).
"""

from wsgcn.captures.synthetic.capture import synthesise_take, write_capture

__all__ = ["synthesise_take", "write_capture"]
