"""What there is to work with, as text and as JSON."""

import json
import textwrap
from collections.abc import Iterator

from jacchain.execution.calibration.diagnosis import Diagnosis, ProfileInUse

WIDTH = 80
INDENT = 12
OLD = 180
"""Days after which a profile may have been overtaken by other versions and drivers."""


def diagnosis_text(found: Diagnosis, /) -> str:
    """Return a diagnosis as text of at most 80 columns."""
    lines: list[str] = []
    for name, words in _entries(found):
        wrapped = textwrap.wrap(words, WIDTH - INDENT, break_long_words=False, break_on_hyphens=False) or [""]
        lines += [f"{head:{INDENT}}{line}" for head, line in zip([name] + [""] * len(wrapped), wrapped, strict=False)]
    return "\n".join(lines)


def _entries(found: Diagnosis) -> Iterator[tuple[str, str]]:
    machine = found.machine
    yield "jacchain", f"{machine.jacchain} on Python {found.python}, NumPy {machine.numpy}, SciPy {found.scipy}"
    caches = "".join(f", {_bytes(cache.nbytes)} L{cache.level}" for cache in found.caches)
    yield "processor", f"{machine.processor}, {machine.cores} usable cores{caches}"
    threads = f", {machine.threads} thread{'' if machine.threads == 1 else 's'}" if machine.threads else ""
    yield "BLAS", f"{machine.blas or 'unknown'}{threads}"
    yield "CUDA", ", ".join(found.devices) or f"none: {found.no_devices[0]}"
    if not found.devices:
        yield "", f"-> {found.no_devices[1]}"
    for used in found.profiles:
        yield from _profile(used)
    extras = ", ".join(f"{name} {'yes' if is_there else 'no'}" for name, is_there in found.extras)
    missing = [name for name, is_there in found.extras if not is_there]
    yield "extras", extras
    if missing:
        yield "", f"-> pip install 'jacchain[{','.join(missing)}]'"


def _profile(used: ProfileInUse) -> Iterator[tuple[str, str]]:
    command = "jacchain calibrate" + ("" if used.device == "cpu" else f" --device {used.device}")
    title = "profile" if used.device == "cpu" else f"  {used.device}"
    if used.profile is None:
        yield title, used.problems[0]
        yield "", f"-> {command}"
        return
    if used.profile.is_shipped:
        kind = "measured elsewhere" if used.profile.is_measured else "from published figures, not measured"
        yield title, f"the shipped one, {used.profile.name}, {kind}"
        yield "", f"-> {command} measures this machine in a minute"
        return
    age = "today" if used.age <= 0 else "yesterday" if used.age == 1 else f"{used.age} days ago"
    fit = "of this machine" if not used.problems else f"measured with {'; '.join(used.problems)}"
    yield title, f"{used.path}, measured {age}, {fit}"
    if used.problems or used.age > OLD:
        yield "", f"-> {command}"


def _bytes(count: int) -> str:
    return f"{count / 2**20:g} MiB" if count >= 1 << 20 else f"{count / 2**10:g} KiB"


def diagnosis_json(found: Diagnosis, /) -> str:
    """Return a diagnosis as one JSON document."""
    profiles = [
        {
            "device": used.device,
            "name": None if used.profile is None else used.profile.name,
            "is_shipped": used.profile is not None and used.profile.is_shipped,
            "is_measured": used.profile is not None and used.profile.is_measured,
            "path": used.path or None,
            "age_days": used.age,
            "problems": list(used.problems),
        }
        for used in found.profiles
    ]
    document = {
        "machine": found.machine._asdict(),
        "python": found.python,
        "scipy": found.scipy,
        "caches": {f"L{cache.level}": cache.nbytes for cache in found.caches},
        "cuda": list(found.devices),
        "no_cuda": list(found.no_devices),
        "profiles": profiles,
        "extras": dict(found.extras),
    }
    return json.dumps(document, indent=2)
