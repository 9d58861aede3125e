"""Stage package: the general lifter's weights into the package, without what only further training needs."""

from dataclasses import replace
from pathlib import Path

from wsgcn.model.checkpoint import load_checkpoint

TRAINED = Path("models/warmup.pt")
PACKAGED = Path("../wsgcn/lifting/general_lifter.pt")


def package(trained: Path, packaged: Path) -> None:
    """Keep the chosen weights alone."""
    checkpoint = load_checkpoint(trained)
    replace(checkpoint, weights=checkpoint.chosen_weights, optimiser={}, average={}, trajectory={}).save(packaged)


if __name__ == "__main__":
    package(TRAINED, PACKAGED)
