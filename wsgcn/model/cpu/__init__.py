"""The training step on the CPU as compiled kernels, behind one door."""
