"""Which of the project's files a module imports, directly or not."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("wsgcn", "stages")


def module_file(name: str) -> Path | None:
    """The file of a module of the project, None if there is no such module."""
    path = ROOT.joinpath(*name.split("."))
    for candidate in (path / "__init__.py", path.with_suffix(".py")):
        if candidate.is_file():
            return candidate
    return None


def direct_imports(file: Path) -> set[str]:
    """The dotted names of the project's modules that a file imports, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            names |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.split(".")[0] in PACKAGES and module_file(name)}


def imported_files(start: str) -> set[str]:
    """Every file, relative to the root, that importing the module `start` runs, itself included."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        parts = name.split(".")
        for length in range(1, len(parts) + 1):
            prefix = ".".join(parts[:length])
            file = module_file(prefix)
            if file is not None and prefix not in seen:
                seen.add(prefix)
                waiting += direct_imports(file)
    return {str(module_file(name).relative_to(ROOT)) for name in seen}  # type: ignore[union-attr]


def wings(stage: str) -> list[str]:
    """What dvc.yaml lists as the code of a stage: its own file, and the wings of all files that it imports.

    The packages' own __init__.py hold no code that an output depends on.
    """
    files = imported_files(stage) - {"stages/__init__.py", "wsgcn/__init__.py"}
    own = {file for file in files if file.startswith("stages/")}
    return sorted(own) + sorted({"/".join(file.split("/")[:2]) for file in files - own})


if __name__ == "__main__":
    import sys

    print("\n".join(f"      - {path}" for path in wings(sys.argv[1])))
