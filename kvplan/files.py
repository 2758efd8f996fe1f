"""The only place that opens files: bounded reads of plain files inside allowed roots, and whole-or-nothing writes."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

from kvplan.errors import SpecError
from kvplan.findings import Finding

MAX_TEXT_BYTES = 1 << 19  # a workload or a config.json is a few kB; larger files are data, not specs


def read_bytes(
    path: Path, *, name: str = "", roots: Sequence[Path] = (), limit: int = MAX_TEXT_BYTES, cut: bool = False
) -> bytes:
    """The bytes of a plain file.

    path: the file; symlinks are resolved before roots are compared.
    name: what findings call it, the path as the user typed it.
    roots: folders that the file must lie in; none means anywhere.
    limit: the most that is read. [bytes]
    cut: read the beginning of a larger file in place of refusing it.
    Raises: SpecError (KV016, KV004) if it is missing, not a plain file, outside the roots, unreadable or too large.
    """
    name = name or str(path)
    try:
        content = _read(path, name, roots, limit + 1)
    except (OSError, ValueError, RuntimeError) as error:
        reason = (getattr(error, "strerror", None) or "is not a path that can be opened").lower()
        raise _refusal(name, f"cannot be read: {reason}", "check the path and its permissions") from None
    if len(content) > limit and not cut:
        message = f"{name} is larger than {limit:,} bytes"
        help = "a spec is small; give long lists of requests as a law or a trace"
        raise SpecError([Finding("KV004", "", message, help=help, file=name)])
    return content


def check_roots(path: Path, name: str, roots: Sequence[Path]) -> None:
    """Refuse a path outside the roots, whether or not anything is there: a refusal tells nothing of other folders.

    Raises: SpecError (KV016).
    """
    resolved = path.resolve()
    if roots and not any(resolved.is_relative_to(root.resolve()) for root in roots):
        help = "keep the file beside or below the workload, or name it on the command line"
        raise _refusal(name, "lies outside the folder of the workload", help)


def roots_of(folder: Path) -> tuple[Path, ...]:
    """Where paths inside a file may lead: its folder, and the current folder around it, such as a repository.

    The whole file system and a home are no repository.
    """
    current = Path.cwd()
    around = folder.is_relative_to(current) and current not in (Path(current.anchor), Path.home())
    return (folder, current) if around else (folder,)


def _read(path: Path, name: str, roots: Sequence[Path], limit: int) -> bytes:
    check_roots(path, name, roots)
    resolved = path.resolve(strict=True)
    # A FIFO without a writer would block an open() without O_NONBLOCK, and a device never ends.
    descriptor = os.open(resolved, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise _refusal(name, f"is {_kind(mode)}, not a file", "name a file")
    with os.fdopen(descriptor, "rb") as file:
        return file.read(limit)


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a folder"
    if stat.S_ISFIFO(mode):
        return "a pipe"
    return "a device or socket"


def _refusal(name: str, problem: str, help: str) -> SpecError:
    return SpecError([Finding("KV016", "", f"{name} {problem}", help=help, file=name)])


def write_text(path: Path, text: str) -> None:
    """Write a whole file or nothing: to a temporary neighbour first, then in place in one step.

    A device or a pipe is written to as it is. Raises: SpecError (KV016) if the path cannot be written to.
    """
    write_chunks(path, [text.encode("utf-8")])


def write_chunks(path: Path, chunks: Iterable[bytes]) -> None:
    """As ``write_text``, of bytes that need not be in memory at once."""
    try:
        if path.exists() and not path.is_file():
            with path.open("wb") as stream:
                stream.writelines(chunks)
        else:
            _replace(path, chunks)
    except OSError as error:
        problem = f"cannot be written: {(error.strerror or 'unknown error').lower()}"
        raise _refusal(str(path), problem, "check the folder and its permissions") from None


def _replace(path: Path, chunks: Iterable[bytes]) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(chunks)
        mask = os.umask(0)
        os.umask(mask)
        Path(temporary).chmod(0o666 & ~mask)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def open_missing_streams() -> None:
    """Give a program that was started without stdout or stderr (``>&-``) streams that lead nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - open as long as the program


def discard(stream: IO[str]) -> None:
    """Send what is still written to a stream to nowhere: its reader has gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def find_yaml(folder: Path) -> list[Path]:
    """Every ``*.yaml`` and ``*.yml`` file below a folder, in a stable order; hidden folders are left out."""
    found: list[Path] = []
    for base, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(base, name) for name in sorted(names) if name.endswith((".yaml", ".yml"))]
    return found
