"""The files that views name: what a name leads to, and that no spelling leads out of the roots."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from email.header import Header
from pathlib import Path
from sys import maxsize

import pytest

from static_host.files.sendfile_roots import ACCEL_FIELD, SENDFILE_FIELD, NamedFileError, SendfileRoots

SECRET = b"secret"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root, with secrets around it."""
    root = tmp_path / "root"
    (root / "sub/..;").mkdir(parents=True)
    for name in ("a.txt", "sub/b.txt", "é.txt", "日本.txt", "a%20b.txt", "a b.txt", "what?.txt", "q+r.txt", "=?x.txt"):
        (root / name).write_bytes(name.encode())
    (root / ".hidden").write_bytes(b".hidden")
    (tmp_path / "secret.txt").write_bytes(SECRET)
    (tmp_path / "rootX").mkdir()
    (tmp_path / "rootX/secret.txt").write_bytes(SECRET)
    (tmp_path / "x.txt").write_bytes(SECRET)
    return root


def read(roots: SendfileRoots, field: bytes, value: bytes) -> bytes | None:
    """Return what a name leads to, if to anything."""
    try:
        directory, name = roots.find(field, value)
        descriptor, _ = directory.open_descriptor(name)
    except (NamedFileError, FileNotFoundError):
        return None
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


@pytest.fixture
def roots(root: Path) -> SendfileRoots:
    return SendfileRoots([f"/protected/={root}", f"/protected/deep/={root}/sub", "/none/=/nowhere/at/all"])


@pytest.mark.parametrize(
    ("value", "content"),
    [
        (b"/protected/a.txt", "a.txt"),
        (b"/protected/sub/b.txt", "sub/b.txt"),
        (b"/protected/deep/b.txt", "sub/b.txt"),
        (b"/protected/%61%2Etxt", "a.txt"),
        (b"/protected/sub%2Fb.txt", "sub/b.txt"),
        (b"/%70rotected/a.txt", "a.txt"),
        (b"/protected/a.txt?x=1&y=/../..", "a.txt"),
        (b"/protected/%C3%A9.txt", "é.txt"),
        ("/protected/é.txt".encode(), "é.txt"),
        (b"/protected/%E6%97%A5%E6%9C%AC.txt", "日本.txt"),
        (b"/protected/a%20b.txt", "a b.txt"),
        (b"/protected/a b.txt", "a b.txt"),
        (b"/protected/a%2520b.txt", "a%20b.txt"),
        (b"/protected/what%3F.txt", "what?.txt"),
        (b"/protected/q+r.txt", "q+r.txt"),
        (b"/protected/sub//b.txt", "sub/b.txt"),
        (b"/protected/./a.txt", "a.txt"),
        (b"/protected/.hidden", ".hidden"),
    ],
)
def test_a_url_leads_to_a_file(roots: SendfileRoots, value: bytes, content: str) -> None:
    assert read(roots, ACCEL_FIELD, value) == content.encode()


def test_a_path_leads_to_a_file(roots: SendfileRoots, root: Path) -> None:
    names = ("a.txt", "sub/b.txt", "é.txt", "日本.txt", "a%20b.txt", "a b.txt", "what?.txt", "=?x.txt")
    for name in names:
        path = f"{root}/{name}"
        values = [path.encode(), str(Header(path, "utf-8", maxlinelen=maxsize).encode()).encode()]
        if name == "é.txt":
            values.append(path.encode("latin-1"))  # as Django sends it
        for value in values:
            assert read(roots, SENDFILE_FIELD, value) == name.encode(), value


def test_a_path_may_be_that_of_a_root_which_is_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    roots = SendfileRoots([f"/protected/={tmp_path}/link/"])
    for path in (root, tmp_path / "link"):
        assert read(roots, SENDFILE_FIELD, f"{path}/a.txt".encode()) == b"a.txt"


UP = (
    b"..",
    b"%2e%2e",
    b"%2E.",
    b".%2e",
    b"%252e%252e",
    b"..;",
    b"..%00",
    b"%c0%ae%c0%ae",
    b"%c0%ae.",
    b"%e0%80%ae.",
    b"\xc0\xae\xc0\xae",
    b"%uff0e%uff0e",
    b"%ef%bc%8e%ef%bc%8e",
    b"..%20",
    b"...",
    b"..\t",
    b"%2e%2e;x=1",
    b"..%0a",
)
SLASHES = (b"/", b"%2f", b"%2F", b"%252f", b"\\", b"%5c", b"%255c", b"//", b"/./", b"%c0%af", b"%ef%bc%8f", b"/%2e/")
"""Spellings of the folder above, and of the slash: literal ones, encoded once, twice, overlong, in full width."""


@pytest.mark.parametrize("up", UP)
@pytest.mark.parametrize("field", [ACCEL_FIELD, SENDFILE_FIELD])
def test_no_spelling_of_the_folder_above_leads_out(roots: SendfileRoots, root: Path, field: bytes, up: bytes) -> None:
    prefix = b"/protected/" if field == ACCEL_FIELD else os.fsencode(root) + b"/"
    for slash in SLASHES:
        for start in (b"", b"sub" + slash, b"sub" + slash + up + slash, slash, b"sub/..;" + slash + up + slash):
            for name in (b"secret.txt", b"x.txt", b"rootX" + slash + b"secret.txt"):
                for end in (b"", b"?", b"/", b"%00.txt", b"?/../a.txt"):
                    assert read(roots, field, prefix + start + up + slash + name + end) != SECRET


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"/",
        b"a.txt",
        b"/a.txt",
        b"protected/a.txt",
        b"/protected",
        b"/protected/",
        b"/protected/.",
        b"/protected/sub",
        b"/protected/sub/",
        b"/protected/sub/.",
        b"/protected/a.txt/",
        b"/protected/a.txt/.",
        b"/protected//a.txt",
        b"//protected/a.txt",
        b"/./protected/a.txt",
        b"/x/../protected/a.txt",
        b"/protected/../protected/a.txt",
        b"/protectedX/secret.txt",
        b"/protectedX",
        b"/Protected/a.txt",
        b"/PROTECTED/a.txt",
        b"/protected/A.TXT",
        b"/protected\\a.txt",
        b"\\protected\\a.txt",
        b"/protected%00/a.txt",
        b"/protected/a.txt%00",
        b"/protected/a.txt%00.png",
        b"/protected/a.txt%20",
        b"/protected/a.txt.",
        b"/protected/a.txt;x",
        b"/protected/a.txt::$DATA",
        b"/protected/a.txt#x",
        b"/protected/a.txt%3Fx",
        b"/protected/sub/../a.txt",
        b"/protected/sub/%2e%2e/a.txt",
        b"/protected/deep/../a.txt",
        b"/protected/{root}/a.txt",
        b"{root}/a.txt",
        b"/protected/%2fetc/passwd",
        b"/protected//etc/passwd",
        b"/protected/~/a.txt",
        b"/protected/$HOME",
        b"/etc/passwd",
        b"file:///etc/passwd",
        b"http://localhost/protected/a.txt",
        b"/protected/" + b"a" * 300,
        b"/protected/" + b"a/" * 3000 + b"a",
        b"/none/a.txt",
        b"=?utf-8?b?L3Byb3RlY3RlZC9hLnR4dA==?=",
        b"/protected/\xe9.txt",
        b" /protected/a.txt",
        b"@internal",
        b"/protected/%",
        b"/protected/%zz",
    ],
)
def test_what_names_no_file(roots: SendfileRoots, root: Path, value: bytes) -> None:
    assert read(roots, ACCEL_FIELD, value.replace(b"{root}", os.fsencode(root))) is None


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{root}",
        b"{root}/",
        b"{root}/.",
        b"{root}/sub",
        b"{root}X/secret.txt",
        b"{root}/../secret.txt",
        b"{root}/sub/../a.txt",
        b"{root}//a.txt",
        b"/{root}/a.txt",
        b"{root}/a.txt/",
        b"{root}/a.txt\0",
        b"{root}/%61.txt",
        b"{root}/a.txt?x",
        b"{ROOT}/a.txt",
        b"/protected/a.txt",
        b"a.txt",
        b"../a.txt",
        b"/etc/passwd",
        b"=?utf-8?b?!!!?=",
        b"=?utf-8?b?L?=",
        b"=?utf-8?x?abc?=",
        b"=?utf-8?q?=ZZ?=",
        b"=?utf-8?q?",
        b"=?utf-8?",
        b"=?utf-8?b?L2V0Yy9wYXNzd2Q=?=",
        b"=?utf-8?q?/etc/passwd?=",
        b"=?utf-8?b?L2V0Yy8=?= =?latin-1?q?passwd?=",
    ],
)
def test_what_is_the_path_of_no_file(roots: SendfileRoots, root: Path, value: bytes) -> None:
    own = os.fsencode(root)
    assert read(roots, SENDFILE_FIELD, value.replace(b"{root}", own).replace(b"{ROOT}", own.upper())) is None


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def make_link(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


@pytest.mark.parametrize(
    "make",
    [
        make_fifo,
        make_socket,
        Path.mkdir,
        make_link("/dev/zero"),
        make_link("/dev/tty"),
        make_link("/proc/self/environ"),
        make_link("/proc/self/fd/0"),
        make_link("../secret.txt"),
        make_link("/etc/passwd"),
        make_link("nowhere"),
        make_link("special"),
    ],
)
def test_what_is_no_regular_file_beneath_the_root(
    roots: SendfileRoots, root: Path, make: Callable[[Path], None]
) -> None:
    make(root / "special")
    assert read(roots, ACCEL_FIELD, b"/protected/special") is None
    assert read(roots, SENDFILE_FIELD, os.fsencode(root / "special")) is None


@pytest.mark.parametrize("target", ["a.txt", "./sub/../a.txt", "{root}/a.txt"])
def test_a_link_that_stays_beneath_the_root_is_followed(roots: SendfileRoots, root: Path, target: str) -> None:
    (root / "link").symlink_to(target.replace("{root}", str(root)))
    assert read(roots, ACCEL_FIELD, b"/protected/link") == b"a.txt"


def test_links_that_are_swapped_meanwhile_lead_nowhere_else(roots: SendfileRoots, root: Path) -> None:
    is_over = threading.Event()
    (root / "inner").mkdir()
    (root / "inner/secret.txt").write_bytes(b"fine")

    def swap() -> None:
        while not is_over.is_set():
            for target in ("inner", "..", "../rootX", str(root.parent)):
                (root / "new").symlink_to(target)
                (root / "new").replace(root / "turn")

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        seen = {read(roots, ACCEL_FIELD, b"/protected/turn/secret.txt") for _ in range(3000)}
    finally:
        is_over.set()
        thread.join()
    assert seen <= {b"fine", None}
    assert b"fine" in seen


def test_without_roots_nothing_is_found() -> None:
    roots = SendfileRoots(())
    assert not roots
    assert read(roots, ACCEL_FIELD, b"/protected/a.txt") is None
    assert read(roots, SENDFILE_FIELD, b"/etc/passwd") is None
