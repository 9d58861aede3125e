import wsgcn  # noqa: F401  before torch, so that waiting threads sleep here as in the stages
