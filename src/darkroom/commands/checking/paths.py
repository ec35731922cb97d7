"""Questions about paths that never raise, as pathlib does for a name too long or behind a folder that is locked."""

from pathlib import Path


def exists(path: str | Path) -> bool:
    """Whether something is there and can be seen."""
    try:
        return Path(path).exists()
    except OSError:
        return False


def is_folder(path: str | Path) -> bool:
    """Whether it is a folder that can be seen."""
    return exists(path) and Path(path).is_dir()


def is_utf8(path: Path) -> bool:
    """Whether the file can be read as text."""
    try:
        path.read_bytes().decode()
    except UnicodeDecodeError:
        return False
    return True
