"""Where profiles lie: the user's own in the cache directory of the platform, the shipped ones in the package."""

import os
import sys
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from jacchain.errors import FileError, JacchainError, OptionError, ProfileWarning
from jacchain.planning.pricing.profile import Profile
from jacchain.planning.pricing.this_machine import differences, this_machine
from jacchain.planning.whole_file import expect_place, write_whole

VARIABLE: Final = "JACCHAIN_PROFILE"
"""The environment variable that names the file of the profile of the processor, instead of the cache directory's."""

ELSEWHERE: Final = "give another file with jacchain calibrate -o FILE"

As = Profile | str | os.PathLike[str] | Mapping[str, object] | None
"""What options take for a profile: the profile, its file, its document; None for the current one."""


def current(device: str = "cpu", /) -> Profile:
    """Return the profile in use for a device such as "cpu" or "cuda:1": the calibrated one, else the shipped one.

    Raises
    ------
    FileError
        The calibrated one is no profile.

    Warns
    -----
    ProfileWarning
        It was measured on another machine, with other threads, or by another version.
    """
    found = kept(device)
    warn_of_differences(found, device)
    return found


def kept(device: str = "cpu", /) -> Profile:
    """Return the same without a warning."""
    path = place(device)
    if not path.is_file():
        if os.environ.get(VARIABLE) and device == "cpu":
            is_there = path.exists()
            cure = f"name a file with {VARIABLE}" if is_there else f"jacchain calibrate -o {path}"
            raise FileError(f"there is no profile at {path}", f"{cure}, or unset {VARIABLE}")
        return shipped(device)
    return load(path)


def place(device: str = "cpu", /) -> Path:
    """Return the file where the calibrated profile of a device is kept, whether there is one or not."""
    named = os.environ.get(VARIABLE)
    if named and device == "cpu":
        return Path(named)
    kind, _, number = device.partition(":")
    return cache_directory() / f"profile-{kind if kind == 'cpu' else f'{kind}-{number or 0}'}.json"


def cache_directory() -> Path:
    """Return the directory in which this platform keeps a user's caches of jacchain."""
    home = Path(os.path.expanduser("~"))
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(home / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME", "")
        base = base if os.path.isabs(base) else str(home / ".cache")  # the specification has relative ones ignored
    return Path(base) / "jacchain"


def shipped(device: str = "cpu", /) -> Profile:
    """Return the profile that came with the package for a kind of devices: measured elsewhere, or from a data sheet."""
    return _shipped_cpu() if device == "cpu" else _shipped_cuda()


@lru_cache(maxsize=1)
def _shipped_cpu() -> Profile:
    text = (files("jacchain.planning.pricing") / "shipped_cpu.json").read_bytes()
    return replace(Profile.from_json(text, source="the shipped profile"), is_shipped=True)


@lru_cache(maxsize=1)
def _shipped_cuda() -> Profile:
    from jacchain.planning.pricing.published import published_profile

    return published_profile()


def load(path: str | os.PathLike[str], /) -> Profile:
    """Return the profile of a file.

    Raises
    ------
    FileError
        No such file, or no profile in it; the error names the place.
    """
    try:
        status = os.stat(path)
        return _loaded(str(path), status.st_mtime_ns, status.st_size)
    except (OSError, ValueError) as error:
        cure = "give the file that jacchain calibrate wrote"
        why = error.strerror if isinstance(error, OSError) else error  # a null byte in the name, for instance
        raise FileError(f"cannot read the profile {os.fspath(path)!s}: {why}".replace("\0", "\\0"), cure) from None


@lru_cache(maxsize=8)
def _loaded(path: str, _changed: int, _size: int) -> Profile:
    return Profile.from_json(Path(path).read_bytes(), source=path)


def as_profile(value: object, /, *, device: str = "cpu") -> Profile:
    """Return what an option says: a profile, its file, its document as text or mapping; None for the current one.

    Raises
    ------
    FileError, OptionError
        No such file, no profile in it, or something else altogether.
    """
    if value is None:
        return current(device)
    found = _given(value)
    warn_of_differences(found, device)
    return found


def _given(value: object) -> Profile:
    match value:
        case Profile():
            return value
        case "":
            raise OptionError("profile is '', which names no file", "give a file that jacchain calibrate wrote")
        case str() | os.PathLike() if not str(value).lstrip().startswith("{"):
            return load(value)
        case str() | bytes():
            return Profile.from_json(value)
        case Mapping():
            import json

            return Profile.from_json(json.dumps(dict(value)))
        case _:
            raise OptionError(f"profile is {value!r}", "give a file that jacchain calibrate wrote, or leave it out")


def dependable(device: str, itemsize: int, /) -> Profile:
    """Return the profile by which a device is chosen: nothing is raised for it, and nobody is warned.

    It is the calibrated one, or the shipped one where that cannot be read, was measured on another machine, or knows
    nothing of numbers of so many bytes.
    """
    try:
        found = kept(device)
        found.rates_of(itemsize)
    except JacchainError:
        return shipped(device)
    return found if found.is_shipped or not differences_here(found, device) else shipped(device)


def save(profile: Profile, path: str | os.PathLike[str], /) -> Path:
    """Write a profile as JSON: the file is whole or, where anything goes wrong, as it was.

    Raises
    ------
    FileError
        The place cannot be written to.
    """
    check_place(path)
    write_whole(path, profile.to_json().encode(), cure=ELSEWHERE)
    return Path(path)


def check_place(path: str | os.PathLike[str], /) -> None:
    """Find out whether a profile can be written to a place, before a minute goes into measuring it.

    The cache directory is made where it is missing.

    Raises
    ------
    FileError
        It cannot.
    """
    if Path(path).parent == cache_directory():
        with suppress(OSError):  # where that fails, so does what follows, with its reason
            os.makedirs(os.path.realpath(cache_directory()), exist_ok=True)
    expect_place(path, cure=ELSEWHERE)


@lru_cache(maxsize=16)
def warn_of_differences(profile: Profile, device: str = "cpu", /) -> None:
    """Warn, once for each profile, of what is different here from where it was measured."""
    found = () if profile.is_shipped else differences_here(profile, device)
    if found:
        warnings.warn(
            f"the profile {profile.name} was measured with {'; '.join(found)}: its seconds may be far off\n"
            "measure this machine with jacchain calibrate",
            ProfileWarning,
            stacklevel=3,
        )


def differences_here(profile: Profile, device: str = "cpu", /) -> tuple[str, ...]:
    """Return in words what is different here from where a profile was measured."""
    here = this_machine(device=profile.machine.device if device != "cpu" else "cpu")
    return tuple(differences(profile.machine, here))
