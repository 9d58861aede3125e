"""How a stage runs: the whole of params.yaml, MLflow, and where a run comes from. No result depends on it."""
