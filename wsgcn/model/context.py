"""How many frames a network sees around the one that it lifts."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Context:
    """Frames before and after the lifted one."""

    before: int = 0
    after: int = 0

    @property
    def frames(self) -> int:
        """How many the network sees together."""
        return self.before + 1 + self.after

    def __bool__(self) -> bool:
        """Whether it sees more than the frame that it lifts."""
        return self.frames > 1


ALONE = Context()


def context_of(network: object) -> Context:
    """That of a network of `wsgcn.model.networks`."""
    return getattr(network, "context", ALONE)
