from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from static_host.files import beneath
from static_host.files.beneath import RootDirectory
from static_host.files.openat2 import has_openat2, has_resolve_cached
from tests.support.required import required

TRAVERSALS = [
    *(b"..", b"../secret", b"../secret/", b"/../secret", b"./../secret", b"a/../../secret", b"a/b/../../../secret"),
    *(b"a//../../secret", b"a/./../../secret", b"../root/../secret", b"a/..", b"a/../", b"a/../one.txt", b".."),
    *(b"../" * 40 + b"etc/passwd", b"/etc/passwd", b"//etc/passwd", b"///etc/passwd", b"/", b"//", b".", b"./", b""),
    *(b"..//secret", b"../../../../../../proc/self/environ", b"/proc/self/root/etc/passwd", b"/dev/null"),
    *(b"one.txt/..", b"one.txt/../../secret", b"one.txt/.", b"one.txt/", b"one.txt//", b"nothing/../../secret"),
    *(rb"..\secret", rb"..\..\secret", rb"\..\secret", rb"a\..\..\secret", b"%2e%2e/secret", b"..%2fsecret"),
    *(b"%2e%2e%2fsecret", b"..%5csecret", b"..;/secret", b".../secret", b"..../secret", b"....//secret"),
    *(b"\xc0\xae\xc0\xae/secret", b"..\xc0\xafsecret", b"\xe0\x80\xae\xe0\x80\xae/secret", b"..\xef\xbc\x8fsecret"),
    *(b"\0", b"one.txt\0", b"one.txt\0.png", b"..\0/secret", b"a/\0/../../secret", b"../secret\0.txt"),
    *(b"out/secret", b"out", b"absolute_out", b"absolute_out/", b"up", b"up/secret", b"a/up_up", b"loop", b"dangling"),
    *(b"proc/environ", b"proc/cwd/one.txt", b"descriptor", b"a", b"a/", b"a/b", b"pipe", b"null", b"socket"),
    *(b"x" * 256, b"x/" * 3000, b"x" * 5000, b"../" * 2000),
]


@pytest.fixture(params=["openat2", "each component"])
def is_openat2_used(request: pytest.FixtureRequest) -> bool:
    if request.param == "openat2":
        required("" if has_openat2() else "the kernel has no openat2(2)")
    return bool(request.param == "openat2")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_bytes(b"secret")
    root = tmp_path / "root"
    (root / "a/b").mkdir(parents=True)
    (root / "one.txt").write_bytes(b"one")
    (root / "a/b/two.txt").write_bytes(b"two")
    (root / b"caf\xe9".decode("utf-8", "surrogateescape")).write_bytes(b"latin-1")
    return root


@pytest.fixture
def root(place: Path, is_openat2_used: bool) -> RootDirectory:
    return RootDirectory(place, is_openat2_used=is_openat2_used)


@pytest.fixture
def traps(place: Path) -> Iterator[None]:
    """Links out of the root, and what is no regular file."""
    outside = place.parent
    links: dict[str, str | Path] = {
        "out": outside,
        "absolute_out": outside / "secret",
        "up": "..",
        "a/up_up": "../../secret",
        "loop": "loop",
        "dangling": "nothing",
        "proc": "/proc/self",
        "null": "/dev/null",
    }
    for name, target in links.items():
        (place / name).symlink_to(target)
    os.mkfifo(place / "pipe")
    with (outside / "secret").open() as file, socket.socket(socket.AF_UNIX) as listener:
        (place / "descriptor").symlink_to(f"/proc/self/fd/{file.fileno()}")
        with suppress(OSError):  # the path is too long for a socket
            listener.bind(str(place / "socket"))
        yield


def read(root: RootDirectory, name: bytes, *, is_cached_only: bool = False) -> bytes:
    with root.open(name, is_cached_only=is_cached_only) as file:
        return file.readall()


def count_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_files_beneath_the_root_are_opened(root: RootDirectory) -> None:
    assert read(root, b"one.txt") == b"one"
    assert read(root, b"a/b/two.txt") == b"two"
    assert read(root, b"caf\xe9") == b"latin-1"
    assert read(root, b"a//b/./two.txt") == b"two"


def test_a_descriptor_is_not_inherited_and_comes_with_its_facts(root: RootDirectory) -> None:
    descriptor, facts = root.open_descriptor(b"one.txt")
    assert not os.get_inheritable(descriptor)
    assert facts == os.fstat(descriptor)
    os.close(descriptor)


@pytest.mark.usefixtures("traps")
@pytest.mark.parametrize("is_cached_only", [False, True])
def test_no_spelling_leads_out_of_the_root_or_to_anything_but_a_file(root: RootDirectory, is_cached_only: bool) -> None:
    assert len(set(TRAVERSALS)) >= 70
    read(root, b"one.txt")
    count = count_descriptors()
    for name in TRAVERSALS:
        with pytest.raises((FileNotFoundError, BlockingIOError) if is_cached_only else FileNotFoundError):
            root.open(name, is_cached_only=is_cached_only)
    assert count_descriptors() == count


def test_links_within_the_root_are_followed(root: RootDirectory, place: Path) -> None:
    (place / "relative").symlink_to("a/b/two.txt")
    (place / "a/up").symlink_to("../one.txt")
    (place / "folder").symlink_to("a/b")
    (place / "chain").symlink_to("a/up")
    (place / "absolute").symlink_to(place / "a/b/two.txt")
    (place / "a/absolute_folder").symlink_to(place / "a/b")
    (place / "round").symlink_to("../root/one.txt")
    assert read(root, b"relative") == b"two"
    assert read(root, b"a/up") == b"one"
    assert read(root, b"folder/two.txt") == b"two"
    assert read(root, b"chain") == b"one"
    assert read(root, b"absolute") == b"two"
    assert read(root, b"a/absolute_folder/two.txt") == b"two"
    assert read(root, b"round") == b"one"


def test_a_directory_beside_the_root_whose_name_begins_like_it_is_outside(root: RootDirectory, place: Path) -> None:
    beside = place.with_name("root2")
    beside.mkdir()
    (beside / "x").write_bytes(b"x")
    (place / "beside").symlink_to(beside / "x")
    with pytest.raises(FileNotFoundError):
        root.open(b"beside")


def test_an_unreadable_file_is_an_error_of_its_own(root: RootDirectory, place: Path) -> None:
    (place / "one.txt").chmod(0)
    if os.access(place / "one.txt", os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(PermissionError):
        root.open(b"one.txt")


def test_the_root_may_be_a_link_that_is_changed(place: Path, tmp_path: Path, is_openat2_used: bool) -> None:
    link, other = tmp_path / "link", tmp_path / "other"
    other.mkdir()
    (other / "new.txt").write_bytes(b"new")
    link.symlink_to(place)
    root = RootDirectory(link, is_openat2_used=is_openat2_used)
    assert read(root, b"one.txt") == b"one"
    (place / "absolute").symlink_to(link / "one.txt")
    assert read(root, b"absolute") == b"one"
    (tmp_path / "next").symlink_to(other)
    (tmp_path / "next").replace(link)
    assert read(root, b"new.txt") == b"new"


def test_a_root_that_is_made_later_is_seen_at_once(tmp_path: Path, is_openat2_used: bool) -> None:
    root = RootDirectory(tmp_path / "later", is_openat2_used=is_openat2_used)
    with pytest.raises(FileNotFoundError):
        root.open(b"x")
    (tmp_path / "later").write_bytes(b"no directory")
    with pytest.raises(FileNotFoundError):
        root.open(b"x")
    (tmp_path / "later").unlink()
    (tmp_path / "later").mkdir()
    (tmp_path / "later/x").write_bytes(b"x")
    assert read(root, b"x") == b"x"


def test_a_replaced_root_is_seen_with_the_next_missing_file_or_the_next_check(
    root: RootDirectory, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read(root, b"one.txt") == b"one"
    count = count_descriptors()
    place.rename(place.with_name("former"))
    place.mkdir()
    (place / "new.txt").write_bytes(b"new")
    assert read(root, b"new.txt") == b"new"
    with pytest.raises(FileNotFoundError):
        root.open(b"one.txt")
    place.rename(place.with_name("second"))
    place.mkdir()
    (place / "new.txt").write_bytes(b"newer")
    monkeypatch.setattr(root, "_check_at", 0.0)
    assert read(root, b"new.txt") == b"newer"
    assert count_descriptors() == count


def test_a_root_that_is_gone_serves_nothing(root: RootDirectory, place: Path) -> None:
    assert read(root, b"one.txt") == b"one"
    place.rename(place.with_name("former"))
    with pytest.raises(FileNotFoundError):
        root.open(b"nothing")
    with pytest.raises(FileNotFoundError):
        root.open(b"one.txt")


def test_the_roots_descriptor_is_closed_with_it(place: Path, is_openat2_used: bool) -> None:
    count = count_descriptors()
    root = RootDirectory(place, is_openat2_used=is_openat2_used)
    read(root, b"one.txt")
    assert count_descriptors() == count + 1
    del root
    assert count_descriptors() == count


def test_an_event_loop_gets_cached_names_alone(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    required("" if has_resolve_cached() else "the kernel has no RESOLVE_CACHED")
    monkeypatch.setattr(beneath, "CHECK_INTERVAL_SECONDS", 1e9)
    (place / "absolute").symlink_to(place / "one.txt")
    root = RootDirectory(place)
    with pytest.raises(BlockingIOError):  # the root has not been opened
        root.open(b"one.txt", is_cached_only=True)
    assert read(root, b"one.txt") == b"one"
    assert read(root, b"one.txt", is_cached_only=True) == b"one"
    for name in (b"absolute", b"nothing", b"a"):  # a thread finds out
        with pytest.raises(BlockingIOError):
            root.open(name, is_cached_only=True)
    with pytest.raises(FileNotFoundError):
        root.open(b"../secret", is_cached_only=True)
    assert root.stat_cached(b"one.txt") == (place / "one.txt").stat()
    monkeypatch.setattr(root, "_check_at", 0.0)
    for call in (root.open_descriptor, root.stat_cached):  # a thread looks at the root's path first
        with pytest.raises(BlockingIOError):
            call(b"one.txt", **({"is_cached_only": True} if call == root.open_descriptor else {}))


def test_without_openat2_an_event_loop_opens_nothing(place: Path) -> None:
    root = RootDirectory(place, is_openat2_used=False)
    assert read(root, b"one.txt") == b"one"
    with pytest.raises(BlockingIOError):
        root.open(b"one.txt", is_cached_only=True)


@pytest.mark.parametrize("is_cached_only", [False, True])
def test_a_link_that_is_swapped_meanwhile_never_leads_outside(
    place: Path, is_openat2_used: bool, is_cached_only: bool
) -> None:
    """A thread swaps a file, and a folder on the way to one, for links to the secret ones outside."""
    outside = place.parent / "outside"
    outside.mkdir()
    (outside / "two.txt").write_bytes(b"secret")
    root = RootDirectory(place, is_openat2_used=is_openat2_used)
    is_over = threading.Event()

    def swap() -> None:
        while not is_over.is_set():
            for name, target in (("file", place.parent / "secret"), ("folder", outside), ("dots", Path("../outside"))):
                inside = {"file": "one.txt", "folder": "a/b", "dots": "a/b"}[name]
                for each in (target, inside):
                    (place / "next").symlink_to(each)
                    (place / "next").rename(place / name)

    thread = threading.Thread(target=swap)
    thread.start()
    outcomes = set()
    try:
        for _ in range(3000):
            for name in (b"file", b"folder/two.txt", b"dots/two.txt"):
                try:
                    outcomes.add(read(root, name, is_cached_only=is_cached_only))
                except (FileNotFoundError, BlockingIOError):
                    outcomes.add(b"refused")
    finally:
        is_over.set()
        thread.join()
    assert outcomes <= {b"one", b"two", b"refused"}


def test_a_folder_that_is_swapped_for_another_never_leads_outside(place: Path, is_openat2_used: bool) -> None:
    """A thread swaps a real folder, and a real file, and a link to the outside, by renames."""
    outside = place.parent / "outside"
    outside.mkdir()
    (outside / "two.txt").write_bytes(b"secret")
    (place / "link").symlink_to(outside)
    (place / "link.txt").symlink_to(outside / "two.txt")
    root = RootDirectory(place, is_openat2_used=is_openat2_used)
    is_over = threading.Event()

    def swap() -> None:
        while not is_over.is_set():
            (place / "a/b").rename(place / "a/c")
            (place / "link").rename(place / "a/b")
            (place / "a/b").rename(place / "link")
            (place / "a/c").rename(place / "a/b")
            for swapped in (
                ("one.txt", "kept.txt"),
                ("link.txt", "one.txt"),
                ("one.txt", "link.txt"),
                ("kept.txt", "one.txt"),
            ):
                (place / swapped[0]).rename(place / swapped[1])

    thread = threading.Thread(target=swap)
    thread.start()
    outcomes = set()
    try:
        for _ in range(5000):
            for name in (b"a/b/two.txt", b"one.txt"):
                try:
                    outcomes.add(read(root, name))
                except FileNotFoundError:
                    outcomes.add(b"refused")
    finally:
        is_over.set()
        thread.join()
    assert outcomes <= {b"one", b"two", b"refused"}


def test_many_threads_see_a_replaced_root_without_an_error(
    place: Path, is_openat2_used: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beneath, "CHECK_INTERVAL_SECONDS", 0.0)
    other = place.with_name("other")
    other.mkdir()
    (other / "one.txt").write_bytes(b"other")
    link = place.with_name("link")
    link.symlink_to(place)
    root = RootDirectory(link, is_openat2_used=is_openat2_used)
    found: set[bytes] = set()
    errors: list[BaseException] = []

    def open_often() -> None:
        try:
            for _ in range(500):
                found.add(read(root, b"one.txt"))
        except OSError as error:
            errors.append(error)

    threads = [threading.Thread(target=open_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        for target in (other, place):
            (place.with_name("next")).symlink_to(target)
            (place.with_name("next")).rename(link)
    assert not errors
    assert found <= {b"one", b"other"}
