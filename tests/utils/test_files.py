"""Files are whole or absent, and say when they are not what was written."""

import hashlib
import io
import json
import os
import pickle
import re
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from recloop.errors import DamagedFile, MissingData, NotWritable
from recloop.utils.files import (
    MANIFEST,
    alone_in,
    atomic_write,
    checked_file,
    load_arrays,
    make_folder,
    read_json,
    save_arrays,
    sha256_of,
    write_json,
    write_manifest,
    write_text,
)

ARRAYS = {"q_table": np.array([[1.5, -2.0], [0.0, 3.25]]), "visits": np.array([3, 0, 7])}
HEADER = {"type": "q_learning", "params": {"epsilon": 0.1}, "note": "Zürich"}


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model.npz"
    save_arrays(path, ARRAYS, HEADER)
    return path


# atomic_write


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "results.json"
    path.write_text("old")

    def interrupted():
        with atomic_write(path) as temporary:
            temporary.write_text("half of the new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["results.json"]


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path):
    with pytest.raises(NotWritable, match=re.escape(f"{tmp_path}: is a folder; name a file in it")):
        write_text(tmp_path, "new")
    assert os.listdir(tmp_path) == []


def test_what_the_system_refuses_is_a_sentence_that_is_an_os_error_too(tmp_path):
    (tmp_path / "file").write_text("old")
    inside = tmp_path / "file" / "results.json"
    with pytest.raises(OSError, match=r"file/results\.json: cannot be written \(File exists\)"):
        write_text(inside, "new")
    with pytest.raises(NotWritable, match=r"file/deep: cannot be written \(Not a directory\)"):
        make_folder(tmp_path / "file" / "deep")


def test_our_own_errors_pass_through_a_write(tmp_path):
    with pytest.raises(MissingData, match="no such thing"), atomic_write(tmp_path / "a") as _:
        raise MissingData("no such thing")
    with pytest.raises(NotWritable, match="No space left"), atomic_write(tmp_path / "a") as _:
        raise OSError(28, "No space left on device")
    assert os.listdir(tmp_path) == []


def test_a_write_goes_through_a_hidden_file_in_the_same_folder(tmp_path):
    path = tmp_path / "deep" / "er" / "results.json"
    with atomic_write(path) as temporary:
        temporary.write_text("new")
        assert temporary.parent == path.parent
        assert temporary.name.startswith(".results.json.")
        assert str(os.getpid()) in temporary.name
        assert not path.exists()
    assert path.read_text() == "new"
    assert os.listdir(path.parent) == ["results.json"]


def test_a_write_may_go_into_a_folder_that_is_there(tmp_path):
    write_text(tmp_path / "a.txt", "1")
    write_text(tmp_path / "a.txt", "2")
    assert (tmp_path / "a.txt").read_bytes() == b"2"


def test_the_bytes_are_on_the_disk_before_the_name_is(tmp_path, monkeypatch):
    """A power cut after the rename must not leave an empty file under the final name."""
    order = []
    real_fsync, real_replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (order.append("fsync"), real_fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda a, b: (order.append("replace"), real_replace(a, b)))
    write_text(tmp_path / "a.txt", "x")
    assert order == ["fsync", "replace"]


# alone_in


def alone_elsewhere(folder):
    """What another process is told."""
    code = (
        "import sys; from recloop.utils.files import alone_in\n"
        "with alone_in(sys.argv[1]) as alone: print(alone)"
    )
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, check=True)
    return done.stdout.decode().strip()


def test_one_process_at_a_time_is_alone_in_a_folder(tmp_path):
    with alone_in(tmp_path) as alone:
        assert alone
        assert alone_elsewhere(tmp_path) == "False"
    assert alone_elsewhere(tmp_path) == "True"
    assert os.listdir(tmp_path) == []


def test_a_process_that_was_killed_holds_nothing(tmp_path):
    code = (
        "import os, sys; from recloop.utils.files import alone_in\n"
        "with alone_in(sys.argv[1]) as alone: print(alone, flush=True); os.kill(os.getpid(), 9)"
    )
    command = [sys.executable, "-c", code, tmp_path]
    killed = subprocess.run(command, capture_output=True, check=False)
    assert (killed.stdout, killed.returncode) == (b"True\n", -9)
    with alone_in(tmp_path) as alone:
        assert alone


# text and JSON


def test_text_is_written_as_utf8_with_plain_line_ends(tmp_path):
    write_text(tmp_path / "a.txt", "Zürich\nBasel\n")
    assert (tmp_path / "a.txt").read_bytes() == "Zürich\nBasel\n".encode()


def test_json_is_sorted_indented_and_ends_with_a_line(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": None})
    assert (tmp_path / "a.json").read_text() == '{\n  "a": null,\n  "b": 1\n}\n'
    assert read_json(tmp_path / "a.json") == {"a": None, "b": 1}


def test_json_without_an_answer_is_refused_rather_than_written_as_nan(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"ndcg": float("nan")})
    assert not (tmp_path / "a.json").exists()


def test_json_that_is_absent_or_broken_is_named(tmp_path):
    absent, broken, binary = (tmp_path / name for name in ("absent.json", "broken", "binary"))
    broken.write_text('{"a": 1')
    binary.write_bytes(b"\xff\xfe{}")
    with pytest.raises(MissingData, match=rf"^{re.escape(str(absent))}: no such file\.$"):
        read_json(absent)
    for path in (broken, binary):
        with pytest.raises(DamagedFile, match=rf"^{re.escape(str(path))}: not readable as JSON \("):
            read_json(path)


def test_a_checksum_is_the_sha256_of_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_of(tmp_path / "a") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1
    )


# arrays


def test_arrays_and_header_come_back(saved):
    header, arrays = load_arrays(saved)
    assert header == HEADER
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)


def test_the_same_values_give_the_same_bytes_in_any_order(tmp_path, saved):
    other = tmp_path / "other.npz"
    save_arrays(other, dict(reversed(ARRAYS.items())), dict(reversed(HEADER.items())))
    assert other.read_bytes() == saved.read_bytes()


def test_numpy_reads_the_arrays_by_itself(saved):
    with np.load(saved, allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["visits"], ARRAYS["visits"])


def test_lists_are_taken_as_arrays(tmp_path):
    save_arrays(tmp_path / "a.npz", {"counts": [1, 2]}, {})  # type: ignore[dict-item]
    assert load_arrays(tmp_path / "a.npz")[1]["counts"].tolist() == [1, 2]


def test_no_arrays_at_all_can_be_kept(tmp_path):
    save_arrays(tmp_path / "a.npz", {}, {"type": "random"})
    assert load_arrays(tmp_path / "a.npz") == ({"type": "random"}, {})


def test_every_flipped_byte_is_found(saved):
    """One byte after the other, each in another bit: none of them may load."""
    content = saved.read_bytes()
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        saved.write_bytes(damaged)
        with pytest.raises(DamagedFile):
            load_arrays(saved)


def test_a_file_cut_short_anywhere_is_found(saved):
    content = saved.read_bytes()
    for length in range(len(content)):
        saved.write_bytes(content[:length])
        with pytest.raises(DamagedFile):
            load_arrays(saved)


def test_a_byte_more_at_the_end_is_found(saved):
    saved.write_bytes(saved.read_bytes() + b"0")
    with pytest.raises(DamagedFile, match="carries no checksum"):
        load_arrays(saved)


def test_a_flipped_byte_says_that_the_checksum_differs(saved):
    content = bytearray(saved.read_bytes())
    content[len(content) // 2] ^= 1
    saved.write_bytes(content)
    with pytest.raises(
        DamagedFile,
        match=rf"^{re.escape(str(saved))}: its bytes are not those that were written "
        r"\(checksum differs\)\.$",
    ):
        load_arrays(saved)


def test_a_file_longer_than_one_block_is_checked_to_its_end(tmp_path):
    path = tmp_path / "large.npz"
    save_arrays(path, {"a": np.arange(300_000)}, {})  # 2.4 MB: three blocks of the checksum
    assert load_arrays(path)[1]["a"][-1] == 299_999
    content = bytearray(path.read_bytes())
    for place in (0, (1 << 20) - 1, 1 << 20, 1 << 21, len(content) - 300):
        content[place] ^= 1
        path.write_bytes(content)
        with pytest.raises(DamagedFile, match="checksum differs"):
            load_arrays(path)
        content[place] ^= 1


def test_objects_are_not_written(tmp_path):
    with pytest.raises(ValueError, match="allow_pickle=False"):
        save_arrays(tmp_path / "a.npz", {"a": np.array([{}], dtype=object)}, {})
    assert os.listdir(tmp_path) == []


def test_a_header_with_nan_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        save_arrays(tmp_path / "a.npz", {}, {"loss": float("nan")})
    assert os.listdir(tmp_path) == []


def test_a_missing_file_is_named(tmp_path):
    for path, words in (
        (tmp_path / "absent.npz", "no such file"),
        (tmp_path, "is a folder, not a file"),
    ):
        with pytest.raises(MissingData, match=rf"^{re.escape(str(path))}: {words}\.$"):
            load_arrays(path)


class _Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return os.mkdir, (self.mark,)


def test_a_pickle_is_never_opened(tmp_path):
    path, mark = tmp_path / "model.npz", tmp_path / "exploded"
    path.write_bytes(pickle.dumps(_Bomb(mark)))
    with pytest.raises(
        DamagedFile,
        match=r"carries no checksum\. It was not loaded; a pickle or another library's file "
        r"is never opened\.$",
    ):
        load_arrays(path)
    assert not mark.exists()


def sealed(content: bytes) -> bytes:
    """`content` with the checksum that recloop expects: what an attacker could write."""
    head = content + b"sha256:"
    return head + hashlib.sha256(head).hexdigest().encode()


def archive(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
        file.comment = b"sha256:" + b"0" * 64
    return buffer.getvalue()[: -len("sha256:") - 64]


def test_a_pickle_inside_a_well_sealed_archive_is_not_opened(tmp_path):
    path, mark = tmp_path / "model.npz", tmp_path / "exploded"
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.array([_Bomb(mark)], dtype=object), allow_pickle=True)
    path.write_bytes(sealed(archive({"header.json": b"{}", "a.npy": buffer.getvalue()})))
    with pytest.raises(
        DamagedFile, match=r"not a recloop file \(.*allow_pickle=False.*\)\. It was not loaded\.$"
    ):
        load_arrays(path)
    assert not mark.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"no archive at all",
        archive({"a.npy": b""}),  # no header
        archive({"header.json": b"{"}),
        archive({"header.json": b"{}", "a.npy": b"no array"}),
    ],
)
def test_a_well_sealed_file_that_holds_something_else_is_refused(tmp_path, content):
    path = tmp_path / "model.npz"
    path.write_bytes(sealed(content))
    with pytest.raises(DamagedFile, match=rf"^{re.escape(str(path))}: not a recloop file \("):
        load_arrays(path)


def test_a_seal_alone_is_no_file(tmp_path):
    path = tmp_path / "model.npz"
    path.write_bytes(sealed(b""))
    with pytest.raises(DamagedFile, match="not a recloop file"):
        load_arrays(path)


# manifests


@pytest.fixture
def run_folder(tmp_path):
    write_json(tmp_path / "metrics.json", {"ndcg@10": 0.1})
    write_text(tmp_path / "models" / "dqn.npz", "weights")
    write_text(tmp_path / ".hidden", "not listed")
    write_text(tmp_path / "models" / "seeds" / ".half.tmp", "not listed")
    write_manifest(tmp_path)
    return tmp_path


def test_a_manifest_lists_every_file_but_itself_and_hidden_ones(run_folder):
    write_manifest(run_folder)  # a second time: it must not list the first
    listed = json.loads((run_folder / MANIFEST).read_text())
    assert list(listed) == ["metrics.json", "models/dqn.npz"]
    assert listed["models/dqn.npz"] == hashlib.sha256(b"weights").hexdigest()


def test_a_file_as_it_was_written_is_given_out(run_folder):
    assert checked_file(run_folder, "models/dqn.npz") == run_folder / "models" / "dqn.npz"


def test_a_changed_file_is_not_given_out(run_folder):
    (run_folder / "metrics.json").write_text("{}")
    with pytest.raises(
        DamagedFile,
        match=r"metrics\.json: its bytes are not those of the manifest \(sha256 differs\)\. "
        r"It was not read; train again, or restore the file\.$",
    ):
        checked_file(run_folder, "metrics.json")


def test_a_file_that_is_gone_or_was_never_listed_is_named(run_folder):
    (run_folder / "metrics.json").unlink()
    (run_folder / "new.json").write_text("{}")
    with pytest.raises(
        MissingData, match=r"metrics\.json: listed in the manifest but not there\.$"
    ):
        checked_file(run_folder, "metrics.json")
    with pytest.raises(
        DamagedFile,
        match=r"manifest\.json: does not list 'new\.json'\. Train again to write it\.$",
    ):
        checked_file(run_folder, "new.json")


def test_a_folder_without_a_manifest_is_named(tmp_path):
    with pytest.raises(MissingData, match=r"manifest\.json: no such file\.$"):
        checked_file(tmp_path, "metrics.json")
