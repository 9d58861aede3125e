"""What leaves the pipeline: ONNX, the model card, and a checkpoint in words."""
