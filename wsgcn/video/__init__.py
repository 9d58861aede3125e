"""Films in: frames, and the people in them as BlazePose's 33 landmarks in pixels.

`wsgcn.lifting.keypoints.video` makes keypoints of that. The networks are Google's (BlazePose, Apache-2.0) and run on
LiteRT; what stands before, between and behind them is written after MediaPipe's published graph, whose figures the
modules name. Needs the extra `video`.
"""
