"""Download a known public set from its official address, with its licence in view.

An archive is downloaded under a temporary name, compared with the published checksum where there is
one, unpacked into a temporary folder and then moved: a break leaves nothing half-done, and the next
try begins anew.
"""

import hashlib
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from recloop.errors import DamagedFile, InvalidData, MissingData, RunFolderInUse
from recloop.utils.checks import check_choice
from recloop.utils.files import make_folder, writing
from recloop.utils.names import unknown_name

GROUPLENS = (
    "GroupLens: free for research; acknowledge its use; no commercial use and no redistribution "
    "without permission. Read the README in the archive."
)


@dataclass(frozen=True)
class PublicSet:
    """A data set that its makers offer for download.

    checksum: "md5:..." or "sha256:..." as published, or None where the makers publish none.
    """

    address: str
    licence: str
    checksum: str | None = None


PUBLIC_SETS = {
    "ml-100k": PublicSet(
        "https://files.grouplens.org/datasets/movielens/ml-100k.zip",
        GROUPLENS,
        "md5:0e33842e24a9c977be4e0107933c0723",
    ),
    "ml-1m": PublicSet(
        "https://files.grouplens.org/datasets/movielens/ml-1m.zip",
        GROUPLENS,
        "md5:c4d9eecfca2ab87c1945afe126590906",
    ),
    "ml-latest-small": PublicSet(
        "https://files.grouplens.org/datasets/movielens/ml-latest-small.zip", GROUPLENS
    ),
    "ml-20m": PublicSet(
        "https://files.grouplens.org/datasets/movielens/ml-20m.zip",
        GROUPLENS,
        "md5:cd245b17a1ae2cc31bb14903e1204af3",
    ),
    "ml-25m": PublicSet(
        "https://files.grouplens.org/datasets/movielens/ml-25m.zip",
        GROUPLENS,
        "md5:6b51fb2759a8657d3bfcbfc42b592ada",
    ),
    "ml-32m": PublicSet("https://files.grouplens.org/datasets/movielens/ml-32m.zip", GROUPLENS),
    "hetrec-lastfm": PublicSet(
        "https://files.grouplens.org/datasets/hetrec2011/hetrec2011-lastfm-2k.zip",
        "GroupLens, Last.fm: non-commercial use; cite Cantador, Brusilovsky and Kuflik (2011). "
        "Read the readme in the archive.",
    ),
    "open-bandit": PublicSet(
        "https://research.zozo.com/data_release/open_bandit_dataset.zip",
        "ZOZO Research: Creative Commons Attribution 4.0; cite Saito et al. (2021).",
    ),
}


def fetch(
    name: str,
    folder: str | Path,
    *,
    address: str | None = None,
    checksum: str | None = None,
    say: Callable[[str], None] = lambda text: None,
    timeout_s: float = 60.0,
) -> Path:
    """Download and unpack the set `name` into `folder`; returns the folder that holds its files.

    address, checksum: instead of the table's, for a mirror. say: receives the licence notice and
    the sha256 of what came. Raises DamagedFile if the checksum differs, RunFolderInUse if the
    folder is not empty, MissingData if the address cannot be reached.
    """
    if name not in PUBLIC_SETS:
        raise unknown_name("public data set", name, PUBLIC_SETS)
    known = PUBLIC_SETS[name]
    target = Path(folder)
    if target.is_file() or (target.exists() and any(target.iterdir())):
        raise RunFolderInUse(f"{target}: is a file or not empty. Name another folder for '{name}'.")
    say(f"{name}: {known.licence}")
    make_folder(target.parent)
    with (
        writing(target),
        tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as scratch,
    ):
        archive = Path(scratch) / "archive.zip"
        _download(address or known.address, archive, timeout_s)
        _compare(archive, known.checksum if checksum is None and not address else checksum, say)
        unpacked = Path(scratch) / "unpacked"
        _unpack(archive, unpacked)
        if target.exists():
            target.rmdir()
        shutil.move(str(_root_of(unpacked)), target)
    return target


def _download(address: str, target: Path, timeout_s: float) -> None:
    try:
        with urlopen(address, timeout=timeout_s) as answer, target.open("wb") as handle:
            shutil.copyfileobj(answer, handle, 1 << 20)
            wanted = answer.headers.get("Content-Length")
    except (URLError, OSError, HTTPException, ValueError) as error:
        raise MissingData(f"{address}: cannot be downloaded ({error}).") from None
    if wanted is not None and target.stat().st_size != int(wanted):
        raise DamagedFile(
            f"{address}: broke off after {target.stat().st_size:,} of {int(wanted):,} bytes. "
            "Nothing was kept; try again."
        )


def _compare(archive: Path, checksum: str | None, say: Callable[[str], None]) -> None:
    with archive.open("rb") as handle:
        say(f"sha256 of the archive: {hashlib.file_digest(handle, 'sha256').hexdigest()}")
    if checksum is None:
        say("No checksum is published for this set; keep the one above to compare later.")
        return
    kind, _, wanted = checksum.partition(":")
    check_choice("fetch", "checksum", kind, ("md5", "sha256"))
    with archive.open("rb") as handle:
        got = hashlib.file_digest(handle, kind).hexdigest()
    if got != wanted.lower():
        raise DamagedFile(
            f"{archive.name}: {kind} is {got}, the published one is {wanted}. Nothing was kept."
        )


def _unpack(archive: Path, folder: Path) -> None:
    folder.mkdir()
    try:
        with zipfile.ZipFile(archive) as packed:
            for member in packed.namelist():
                place = (folder / member).resolve()
                if not place.is_relative_to(folder.resolve()):
                    raise DamagedFile(
                        f"The archive wants to write outside its folder ('{member}'). "
                        "Nothing was kept."
                    )
            packed.extractall(folder)
    except zipfile.BadZipFile as error:
        raise InvalidData(f"The download is not a zip archive ({error}).") from None


def _root_of(folder: Path) -> Path:
    """The only folder inside, where an archive wraps its files in one, else `folder`."""
    inside = [place for place in folder.iterdir() if place.name != "__MACOSX"]
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder
