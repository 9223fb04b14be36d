"""Files that are whole or absent, and that say when they are not what was written.

Every file is written under a temporary name in its own folder and then renamed. Arrays go into
`.npz` (never pickle) with a JSON header; the archive's comment holds the sha256 of every byte
before it, so one flipped bit anywhere is found on loading. A run folder carries a manifest with
the sha256 of each of its files.
"""

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None

from recloop.errors import DamagedFile, MissingData, NotWritable, RecloopError

HEADER = "header.json"
MANIFEST = "manifest.json"
_MARK = b"sha256:"
_HEX_LENGTH = 64


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path`; renamed onto it on success, removed on failure.

    NotWritable when the disk is full, the folder may not be written, `path` is a folder itself.
    """
    target = Path(path)
    if target.is_dir():
        raise NotWritable(f"{target}: is a folder; name a file in it.")
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            with temporary.open("rb+") as handle:
                os.fsync(handle.fileno())
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)


def sync_folder(folder: str | Path) -> None:
    """Force to the disk which files a folder names; where a system cannot do that, nothing."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Whatever the system refuses meanwhile becomes NotWritable, which names `path` and why."""
    try:
        yield
    except OSError as error:
        if isinstance(error, RecloopError):
            raise
        raise NotWritable(
            f"{path}: cannot be written ({error.strerror or error}). "
            "Name another place, or see to its permissions and space."
        ) from error


def make_folder(path: str | Path) -> Path:
    """The folder `path`, made with all above it if it is not there."""
    folder = Path(path)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def alone_in(folder: str | Path) -> Iterator[bool]:
    """Whether no other process is inside `alone_in` of this folder; until the end, none gets in.

    The lock lies on the folder itself and ends with the process, however that ends: nothing is left
    behind that could turn stale. Where a file system has no locks the answer is True.
    """
    with _alone(folder, os.O_RDONLY) as alone:
        yield alone


@contextmanager
def alone_with(file: str | Path) -> Iterator[bool]:
    """As `alone_in`, with a file that is made for it and stays, empty."""
    with writing(file), _alone(file, os.O_RDWR | os.O_CREAT) as alone:
        yield alone


@contextmanager
def _alone(place: str | Path, flags: int) -> Iterator[bool]:
    if fcntl is None:
        yield True
        return
    handle = os.open(place, flags, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        except OSError:
            pass
        yield True
    finally:
        os.close(handle)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON with sorted keys; NaN is refused, None is written as null."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def existing_file(path: str | Path) -> Path:
    """`path` if a file is there; MissingData if nothing is, or a folder."""
    file = Path(path)
    if not file.is_file():
        what = "is a folder, not a file" if file.is_dir() else "no such file"
        raise MissingData(f"{file}: {what}.")
    return file


def read_json(path: str | Path) -> Any:
    """The value stored in a JSON file; a file that is absent or broken is named."""
    file = Path(path)
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingData(f"{file}: no such file.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DamagedFile(f"{file}: not readable as JSON ({error}).") from error


def sha256_of(path: str | Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def save_arrays(
    path: str | Path, arrays: Mapping[str, np.ndarray], header: Mapping[str, Any]
) -> None:
    """Write named arrays and a JSON header into one checked `.npz`; same input, same bytes."""
    with atomic_write(path) as temporary:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            text = json.dumps(header, sort_keys=True, allow_nan=False)
            archive.writestr(zipfile.ZipInfo(HEADER), text)
            for name in sorted(arrays):
                array = np.asarray(arrays[name])
                with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)
            archive.comment = _MARK + b"0" * _HEX_LENGTH
        with temporary.open("rb+") as handle:
            digest = _digest_before_mark(handle)
            handle.seek(-_HEX_LENGTH, os.SEEK_END)
            handle.write(digest.encode())


def load_arrays(path: str | Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The header and the arrays of a file written by `save_arrays`, after checking every byte."""
    file = existing_file(path)
    try:
        with file.open("rb") as handle:
            _check_digest(file, handle)
            handle.seek(0)
            with zipfile.ZipFile(handle) as archive:
                header = json.loads(archive.read(HEADER))
                arrays = {
                    name.removesuffix(".npy"): np.lib.format.read_array(
                        io.BytesIO(archive.read(name)), allow_pickle=False
                    )
                    for name in archive.namelist()
                    if name != HEADER
                }
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        if isinstance(error, DamagedFile):
            raise
        raise DamagedFile(f"{file}: not a recloop file ({error}). It was not loaded.") from error
    return header, arrays


def _digest_before_mark(handle: IO[bytes]) -> str:
    size = handle.seek(0, os.SEEK_END) - _HEX_LENGTH
    handle.seek(0)
    digest = hashlib.sha256()
    while size > 0:
        block = handle.read(min(size, 1 << 20))
        digest.update(block)
        size -= len(block)
    return digest.hexdigest()


def _check_digest(file: Path, handle: IO[bytes]) -> None:
    length = handle.seek(0, os.SEEK_END)
    tail_length = len(_MARK) + _HEX_LENGTH
    handle.seek(max(0, length - tail_length))
    tail = handle.read()
    if len(tail) < tail_length or not tail.startswith(_MARK):
        raise DamagedFile(
            f"{file}: not a recloop file: it carries no checksum. It was not loaded; "
            "a pickle or another library's file is never opened."
        )
    if _digest_before_mark(handle).encode() != tail[len(_MARK) :]:
        raise DamagedFile(f"{file}: its bytes are not those that were written (checksum differs).")


def write_manifest(folder: str | Path) -> None:
    """Write `manifest.json`: the sha256 of every other file below `folder`."""
    root = Path(folder)
    write_json(root / MANIFEST, {name: sha256_of(root / name) for name in _files_below(root)})


def _files_below(root: Path) -> list[str]:
    files = (file for file in root.rglob("*") if file.is_file())
    names = (file.relative_to(root).as_posix() for file in files)
    return sorted(n for n in names if n != MANIFEST and not n.rsplit("/", 1)[-1].startswith("."))


def checked_file(folder: str | Path, name: str) -> Path:
    """The path of one file of a run folder, after its bytes were compared with the manifest."""
    root = Path(folder)
    listed = read_json(root / MANIFEST)
    file = root / name
    if name not in listed:
        raise DamagedFile(f"{root / MANIFEST}: does not list '{name}'. Train again to write it.")
    if not file.is_file():
        raise MissingData(f"{file}: listed in the manifest but not there.")
    if sha256_of(file) != listed[name]:
        raise DamagedFile(
            f"{file}: its bytes are not those of the manifest (sha256 differs). "
            "It was not read; train again, or restore the file."
        )
    return file
