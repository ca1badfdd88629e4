"""Writing files that are whole or as they were."""

import os
import stat
from contextlib import suppress
from tempfile import NamedTemporaryFile
from typing import Final, NoReturn

from jacchain.errors import FileError

PREFIX: Final = ".jacchain-"
"""What the names of temporary files begin with."""

CURE: Final = "give a file in a folder that can be written"

Path = str | os.PathLike[str]


def write_whole(path: Path, content: bytes, /, *, cure: str = CURE) -> None:
    """Write a file by way of a temporary one beside it, so that it is never half written.

    Links are followed, and permissions kept; a new file has those that the system gives to new files.

    Raises
    ------
    FileError
        The place cannot be written to; what stood there is left as it was.
    """
    try:
        target = os.path.realpath(path)
        if os.path.exists(target) and not stat.S_ISREG(os.stat(target).st_mode):  # a device or a pipe
            with open(target, "wb") as stream:
                stream.write(content)
            return
        _replace(target, content)
    except (OSError, ValueError) as error:
        _refuse(path, error, cure)


def expect_place(path: Path, /, *, cure: str = CURE) -> None:
    """Find out whether a file can be written to a place, before long work goes into its content.

    Raises
    ------
    FileError
        It cannot.
    """
    try:
        target = os.path.realpath(path)
        if os.path.isdir(target):
            raise IsADirectoryError(0, "it is a directory")
        if not os.path.exists(target) or stat.S_ISREG(os.stat(target).st_mode):
            with NamedTemporaryFile(dir=os.path.dirname(target), prefix=PREFIX):
                pass
    except (OSError, ValueError) as error:
        _refuse(path, error, cure)


def _replace(target: str, content: bytes) -> None:
    with NamedTemporaryFile(dir=os.path.dirname(target), prefix=PREFIX, delete=False) as stream:
        try:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
            os.chmod(stream.name, _mode(target))
            os.replace(stream.name, target)
        except BaseException:
            with suppress(OSError):
                os.unlink(stream.name)
            raise


def _mode(target: str) -> int:
    """Return the permissions of the file that is replaced, or those that a new one would have."""
    if os.path.exists(target):
        return stat.S_IMODE(os.stat(target).st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _refuse(path: Path, error: OSError | ValueError, cure: str) -> NoReturn:
    why = error.strerror if isinstance(error, OSError) else error  # a null byte in the name, for instance
    raise FileError(f"cannot write {os.fspath(path)!s}: {why}".replace("\0", "\\0"), cure) from None
