from dataclasses import dataclass, field

@dataclass(frozen=True)
class Point:
    """A place."""
    x: int
    y: int = 2  # up
    tags: list[str] = field(default_factory=list)

    def norm(self):
        return helper(self.x) + self.y
