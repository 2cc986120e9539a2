"""Only the change, through the CDN for a laptop: three releases, each the image of a deployment, behind one cache.

The images are made by the README's Dockerfile, each from the one before, and started by docker-compose; the proxy and
what it has kept stay, as a CDN does, while its origin is replaced.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace

import pytest
from playwright.sync_api import Browser

from tests.support.browsers import MAX_RESPONSE_HEAD_BYTES, Visit, visit
from tests.support.builds import DECODERS, decode_delta, format_available_dictionary
from tests.support.compose import Laptop, run_laptop
from tests.support.containers import build_next_image
from tests.support.delta_releases import change_script, compute_result, copy_scripted_project, make_script
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.timeout(600), pytest.mark.usefixtures("engine")]

FIRST = "gzip, deflate, br, zstd"
"""What Chromium accepts, and below what it accepts where it has a dictionary."""
RETURNING = f"{FIRST}, dcb, dcz"
NAME = r"app\.[0-9a-f]{12}\.js"


@pytest.fixture(scope="module")
def images(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ...]]:
    """The images of three releases, the oldest first."""
    project = copy_scripted_project(tmp_path_factory.mktemp("releases"))
    with ExitStack() as stack:
        made = [""]
        for release in (1, 2, 3):
            change_script(project, release)
            made.append(stack.enter_context(build_next_image(project, image, made[-1])))
        yield tuple(made[1:])


@dataclass(frozen=True)
class Story:
    """What became of three releases: who visited which, and the path of the script in each."""

    laptop: Laptop
    visits: dict[tuple[str, int], Visit]
    scripts: tuple[str, ...]
    proxies: set[str]
    """The containers that the proxy was in."""


@pytest.fixture(scope="module")
def story(images: tuple[str, ...], browser: Browser) -> Iterator[Story]:
    """Two see release 1, and one of them release 2, too; release 3 is there when it is given."""
    faithful, behind = browser.new_context(), browser.new_context()
    visits, scripts, proxies = {}, [], set()
    with run_laptop(images[0], "--no-deps", "origin", "cdn") as laptop:
        for release, image in enumerate(images, 1):
            if release > 1:
                replace_origin(replace(laptop, image=image), release)
            scripts.append(laptop.find_named_path(NAME))
            proxies.add(laptop.compose("ps", "--quiet", "cdn"))
            for name, context in (("faithful", faithful), ("behind", behind), ("first", browser.new_context())):
                if (name, release) != ("behind", 2):
                    visits[name, release] = visit(context, f"{laptop.url}/")
        yield Story(laptop, visits, tuple(scripts), proxies)


def replace_origin(laptop: Laptop, release: int, **variables: str) -> None:
    """Have the CDN, which stays, find the laptop's image behind it: the README's "A CDN on your laptop"."""
    laptop.compose("up", "--detach", "--no-deps", "origin", **variables)
    laptop.compose("kill", "-s", "HUP", "cdn")

    def is_there() -> bool:
        return laptop.is_answering() and laptop.ask(laptop.find_named_path(NAME))[2] == make_script(release).encode()

    wait_until(is_there, lambda: laptop.compose("logs"))


def asked(story: Story, release: int, **fields: str) -> tuple[bytes, str, str]:
    """Ask the CDN for the script of a release: the body as it was sent, its coding, and whether it was kept."""
    status, headers, body = story.laptop.ask(story.scripts[release - 1], **fields)
    assert (status, headers["content-length"]) == (200, str(len(body)))
    assert headers["vary"] == ("Accept-Encoding" if release == 1 else "Accept-Encoding, Available-Dictionary")
    return body, headers.get("content-encoding", "identity"), headers["x-cache-status"]


def delta(story: Story, release: int, seen: int) -> bytes:
    """Return what the CDN has kept for who has seen an earlier release, and is in `release` now."""
    body, coding, status = asked(
        story,
        release,
        accept_encoding=RETURNING,
        available_dictionary=format_available_dictionary(make_script(seen).encode()),
    )
    assert (coding, status) == ("dcz", "HIT"), "the browser's own request was kept under the same key"
    return body


def test_the_origin_is_replaced_behind_a_cache_that_stays(story: Story) -> None:
    assert len(story.proxies) == 1
    assert len(set(story.scripts)) == 3
    assert asked(story, 1, accept_encoding=FIRST)[1:] == ("br", "HIT")


def test_a_returning_visitor_is_sent_the_change_alone(story: Story) -> None:
    before, after = story.visits["faithful", 1], story.visits["faithful", 2]
    one, two = story.scripts[:2]
    assert (before.release, after.release) == (compute_result(1), compute_result(2))
    assert (before.codings[one], after.codings[two]) == ("br", "dcz")
    whole, change = len(asked(story, 1, accept_encoding=FIRST)[0]), len(delta(story, 2, seen=1))
    assert whole < before.received[one] < whole + MAX_RESPONSE_HEAD_BYTES
    assert change < after.received[two] < change + MAX_RESPONSE_HEAD_BYTES
    assert after.received[two] < before.received[one] / 4
    assert before.complaints == after.complaints == []


@pytest.mark.parametrize(("visitor", "seen"), [("behind", 1), ("faithful", 2)])
def test_who_is_two_releases_behind_and_who_saw_each_get_a_change_of_their_own(
    story: Story, visitor: str, seen: int
) -> None:
    now, three = story.visits[visitor, 3], story.scripts[2]
    assert (now.release, now.codings[three], now.complaints) == (compute_result(3), "dcz", [])
    change = delta(story, 3, seen)
    assert decode_delta(change, make_script(seen).encode()) == make_script(3).encode()
    assert len(change) < now.received[three] < len(change) + MAX_RESPONSE_HEAD_BYTES


@pytest.mark.parametrize("release", [1, 2, 3])
def test_a_first_visit_gets_the_whole(story: Story, release: int) -> None:
    only, path = story.visits["first", release], story.scripts[release - 1]
    assert (only.release, only.codings[path], only.complaints) == (compute_result(release), "br", [])
    whole, coding, status = asked(story, release, accept_encoding=FIRST)
    assert (coding, status, DECODERS["br"](whole)) == ("br", "HIT", make_script(release).encode())
    assert len(whole) < only.received[path] < len(whole) + MAX_RESPONSE_HEAD_BYTES


STRANGER, OWN = (
    format_available_dictionary(b"a version that nobody has built"),
    format_available_dictionary(make_script(2).encode()),
)
OTHERS = [
    pytest.param({}, "identity", id="nothing"),
    pytest.param({"accept_encoding": "gzip, deflate"}, "gzip", id="gzip alone"),
    pytest.param({"accept_encoding": "gzip, zstd"}, "zstd", id="zstd without a dictionary"),
    pytest.param(
        {"accept_encoding": "gzip, br", "available_dictionary": OWN},
        "br",
        id="a dictionary without dcz",
    ),
    pytest.param({"accept_encoding": RETURNING, "available_dictionary": STRANGER}, "br", id="another dictionary"),
]


@pytest.mark.parametrize(("fields", "coding"), OTHERS)
def test_who_cannot_use_the_change_gets_right_bytes_out_of_the_same_cache(
    story: Story, fields: dict[str, str], coding: str
) -> None:
    for _ in range(2):
        body, sent_in, status = asked(story, 3, **fields)
        assert (sent_in, DECODERS[sent_in](body)) == (coding, make_script(3).encode())
    assert status == "HIT"


def test_an_old_container_finds_new_files_in_the_store_that_compose_is_told_of(
    story: Story, images: tuple[str, ...]
) -> None:
    store = {"DJANGO_STATIC_STORE": "file:///var/lib/static-host/data/store"}
    old, new = (replace(story.laptop, image=image) for image in images[1:])
    new.compose("run", "--rm", "--no-deps", "-T", "origin", "static-host", "publish", **store)
    path = f"{story.scripts[2]}?not-kept"  # the CDN has the file itself
    replace_origin(old, 2)
    assert old.ask(path)[0] == 404
    replace_origin(old, 2, **store)
    status, headers, body = old.ask(path)
    assert (status, headers["x-cache-status"], body) == (200, "MISS", make_script(3).encode())
