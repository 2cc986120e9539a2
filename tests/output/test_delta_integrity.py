"""The deltas of a tree are decoded with the file that their index names, if the tree still has it."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from static_host.origin.index import dump_index
from static_host.origin.representation import Representation, Resource
from static_host.origin.tree import Tree, TreeDamagedError
from static_host_build.build_errors import BuildError
from static_host_build.encode.dcz import encode_delta
from static_host_build.encode.decoding import is_encoding_of
from static_host_build.output import integrity
from static_host_build.output.integrity import IntegrityReport, check_integrity, check_new_tree
from tests.support.clocks import ManualClock
from tests.support.trees import make_resource, make_tree

OLD, NEW = b"body { color: red }\n" * 20, b"body { color: blue }\n" * 20
DAMAGED = "Build it again with `static-host build --verify`, which replaces a damaged tree."


def make_delta(name: str, body: bytes, dictionary: bytes) -> Representation:
    """Return what the index says of the delta `body`, which needs a dictionary with these bytes."""
    plain = make_resource(name, {"identity": body}).identity
    needed = b64encode(sha256(dictionary).digest()).decode()
    return replace(plain, coding="dcz", file=f"{name}.delta.dcz", dictionary=needed)


def write_tree(
    root: Path,
    delta: bytes,
    *,
    dictionary: bytes = OLD,
    files: dict[str, bytes] | None = None,
    releases: tuple[int, ...] = (0,),
) -> Path:
    """Write a tree with a file `new.css` that has a delta, and with other files."""
    root.mkdir(exist_ok=True)
    resources = {
        "new.css": replace(make_resource("new.css", {"identity": NEW}), releases=releases),
        **{name: make_resource(name, {"identity": body}) for name, body in (files or {}).items()},
    }
    own = resources["new.css"]
    resources["new.css"] = replace(own, representations=(make_delta("new.css", delta, dictionary), own.identity))
    for name, body in {"new.css": NEW, "new.css.delta.dcz": delta, **(files or {})}.items():
        (root / name).write_bytes(body)
    (root / "static-host.index").write_bytes(dump_index("/static/", resources))
    return root


def find_problems(root: Path) -> list[str]:
    with pytest.raises(TreeDamagedError) as damaged:
        check_integrity(root)
    return damaged.value.problems


@pytest.fixture(scope="module")
def delta() -> bytes:
    """The delta from the old file to the new one."""
    return encode_delta(NEW, OLD, "fast")


def test_a_delta_is_decoded_with_its_dictionary(tmp_path: Path, delta: bytes) -> None:
    report = check_integrity(write_tree(tmp_path / "tree", delta, files={"old.css": OLD}))
    assert (report.files, report.resources, report.undecoded) == (3, 2, 0)
    assert report.bytes == len(OLD) + len(NEW) + len(delta)
    wrong = encode_delta(NEW[:-1] + b" ", OLD, "fast")
    assert find_problems(write_tree(tmp_path / "wrong", wrong, files={"old.css": OLD})) == [
        "new.css.delta.dcz (dcz): does not decode to new.css"
    ]
    other = encode_delta(NEW, b"another dictionary", "fast")
    assert find_problems(write_tree(tmp_path / "other", other, files={"old.css": OLD})) == [
        "new.css.delta.dcz (dcz): does not decode to new.css"
    ]


def test_a_delta_of_this_release_needs_its_dictionary_in_the_tree(tmp_path: Path, delta: bytes) -> None:
    problem = "new.css.delta.dcz (dcz): needs a dictionary that the tree does not have"
    assert find_problems(write_tree(tmp_path / "tree", delta, files={"old.css": b"another"})) == [problem]
    assert find_problems(write_tree(tmp_path / "tree", delta, files={"old.css": OLD}, dictionary=b"x")) == [problem]


def test_a_dictionary_is_known_by_its_whole_sha_256(
    tmp_path: Path, delta: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which no two files of a tree that agree in the recorded part can be made to differ in: so they are invented."""
    root = write_tree(tmp_path / "tree", delta, files={"old.css": OLD})
    other = bytearray(sha256(OLD).digest())
    other[-1] ^= 1
    needed = b64encode(other).decode()
    index = (root / "static-host.index").read_bytes()
    resources = {
        "old.css": make_resource("old.css", {"identity": OLD}),
        "new.css": Resource(
            "text/plain",
            False,
            (
                replace(make_delta("new.css", delta, OLD), dictionary=needed),
                make_resource("new.css", {"identity": NEW}).identity,
            ),
        ),
    }
    (root / "static-host.index").write_bytes(dump_index("/static/", resources))
    assert (root / "static-host.index").read_bytes() != index
    assert find_problems(root) == ["new.css.delta.dcz (dcz): needs a dictionary that the tree does not have"]


def test_a_carried_delta_whose_dictionary_has_left_is_compared_and_counted(tmp_path: Path, delta: bytes) -> None:
    root = write_tree(tmp_path / "tree", delta, releases=(1,))
    report = check_integrity(root)
    assert (report.files, report.resources, report.undecoded) == (2, 1, 1)
    assert report.bytes == len(NEW) + len(delta)
    assert check_integrity(write_tree(root, delta, releases=(1,), files={"old.css": OLD})).undecoded == 0
    problem = "new.css.delta.dcz (dcz): is not a delta with the dictionary and the length in its index"
    for wrong in (
        encode_delta(NEW, b"another dictionary", "fast"),
        encode_delta(NEW + b" ", OLD, "fast"),
        b"",
        delta[:40],
        b"x" + delta[1:],
    ):
        assert find_problems(write_tree(root, wrong, releases=(1,))) == [problem]
    (root / "old.css").unlink()
    truncated = write_tree(root, delta[:-1], releases=(1,))
    assert check_integrity(truncated).undecoded == 1, "only the dictionary could tell"


def test_each_lost_dictionary_counts(tmp_path: Path, delta: bytes) -> None:
    root = write_tree(tmp_path / "tree", delta)
    (root / "other.css").write_bytes(NEW)
    (root / "other.css.delta.dcz").write_bytes(delta)
    (root / "third.css").write_bytes(NEW)
    resources = {
        name: Resource(
            "text/plain",
            False,
            (make_delta(name, delta, OLD), make_resource(name, {"identity": NEW}).identity),
            releases=(1,),
        )
        for name in ("new.css", "other.css")
    }
    resources["third.css"] = make_resource("third.css", {"identity": NEW})
    (root / "static-host.index").write_bytes(dump_index("/static/", resources))
    report = check_integrity(root)
    assert (report.files, report.resources, report.undecoded) == (5, 3, 2)


@pytest.mark.parametrize(
    ("undecoded", "decoded", "deltas"),
    [(0, "1,234", ""), (1, "1,233", "1 carried delta is"), (1_200, "34", "1,200 carried deltas are")],
)
def test_a_report_says_how_many_files_were_not_decoded(undecoded: int, decoded: str, deltas: str) -> None:
    text = f"{decoded} files of 1,000 resources decode to their sources"
    text += f"; {deltas} as built, but their dictionaries have left the tree" if deltas else ""
    assert str(IntegrityReport(1_000, 1_234, undecoded, 5, 0.5)) == text


def test_a_report_has_the_seconds_that_it_took(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integrity, "time", ManualClock(1_000.0, 1_002.12345))
    assert check_integrity(make_tree(tmp_path / "tree", {"a.txt": b"a"})) == IntegrityReport(1, 1, 0, 1, 2.123)


def test_a_new_tree_that_is_damaged_ends_the_build_and_says_that_the_old_one_stays(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree", {"a.txt": b"a", "b.txt": b"b"})
    assert check_new_tree(tree, tmp_path / "root").files == 2
    (tree / "a.txt").write_bytes(b"x")
    (tree / "b.txt").unlink()
    with pytest.raises(BuildError) as failed:
        check_new_tree(tree, tmp_path / "root")
    assert str(failed.value) == (
        "files of the new tree differ from what was written:\n"
        "  a.txt (identity): is not what was built\n"
        "  b.txt (identity): is missing\n"
        f"{tmp_path / 'root'} is as it was."
    )


@pytest.mark.parametrize(
    ("adopted", "remedy"),
    [(False, DAMAGED), (True, "If it is as it should be, run `static-host index` on it again.")],
)
def test_the_remedy_is_the_one_for_who_made_the_tree(tmp_path: Path, *, adopted: bool, remedy: str) -> None:
    tree = make_tree(tmp_path / "tree", {"a.txt": b"a"})
    resources = {"a.txt": make_resource("a.txt", {"identity": b"a"})}
    (tree / "static-host.index").write_bytes(dump_index("/static/", resources, adopted=adopted))
    (tree / "a.txt").write_bytes(b"x")
    with pytest.raises(TreeDamagedError) as damaged:
        check_integrity(tree)
    assert damaged.value.remedy == remedy
    assert damaged.value.root == tree


def test_a_file_that_cannot_be_read_or_changes_meanwhile_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = make_tree(tmp_path / "tree", {"a.txt": {"br": b"()", "identity": b"body {}"}})

    def fail(*arguments: object) -> bool:
        if arguments[1] == "br":
            raise OSError(5, "Input/output error")
        return is_encoding_of(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(integrity, "is_encoding_of", fail)
    assert find_problems(tree) == ["a.txt.br (br): cannot be read: Input/output error"]
    find_difference = Tree.find_difference

    def append(self: Tree, representation: Representation) -> str | None:
        """Find no difference; then there is one."""
        difference = find_difference(self, representation)
        with (self.root / representation.file).open("ab") as file:
            file.write(b"!")
        return difference

    monkeypatch.setattr(Tree, "find_difference", append)
    assert find_problems(tree) == [
        "a.txt (identity): was changed during the check",
        "a.txt.br (br): was changed during the check",
    ]
