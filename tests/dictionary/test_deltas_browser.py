"""Only the change, in a real browser: what it has kept of one release is what the next one is sent against.

The browser's own count stands beside the server's log.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.support.browsers import MAX_RESPONSE_HEAD_BYTES, visit
from tests.support.delta_releases import BUNDLES, Rollout, build_bundled_rollout, compute_result, show_bundles
from tests.support.nginx import NGINX, run_nginx
from tests.support.processes import Running, find_free_port, run, run_server
from tests.support.projects import SETTINGS
from tests.support.required import needs

Containers = Callable[..., AbstractContextManager[Running]]


@pytest.fixture
def container(rollout: Rollout) -> Containers:
    """Serves one release after the other at the same address."""
    port = find_free_port()

    @contextmanager
    def at(release: int, **variables: str) -> Iterator[Running]:
        more = {"DJANGO_STATIC_ROOT": str(rollout.trees[release - 1]), "PORT": str(port), **variables}
        with run_server(cwd=rollout.project, **SETTINGS, **more) as running:
            yield running

    return at


def logged(server: Running, path: str) -> tuple[int, str]:
    """Return the bytes of the body and the coding that the server's log tells of its last answer to a request."""
    server.wait_for(f"GET {path} ")
    length, coding = re.findall(rf"GET {re.escape(path)} HTTP/1\.1 200 (\d+) (\S+) ", server.output)[-1]
    return int(length), coding


def size(rollout: Rollout, release: int, coding: str) -> int:
    (found,) = rollout.trees[release - 1].glob(f"{rollout.names[release - 1]}*.{coding}")
    return found.stat().st_size


def test_a_returning_visitor_is_sent_the_change_alone(
    rollout: Rollout, browser: Browser, container: Containers
) -> None:
    one, two = (f"/static/{name}" for name in rollout.names[:2])
    context = browser.new_context()
    with container(1) as server:
        first = visit(context, server.url.replace("127.0.0.1", "localhost"))
        assert logged(server, one) == (size(rollout, 1, "br"), "br")
    with container(2) as server:
        second = visit(context, server.url.replace("127.0.0.1", "localhost"))
        assert logged(server, two) == (size(rollout, 2, "dcz"), "dcz")
    assert (first.release, second.release) == (compute_result(1), compute_result(2))
    assert (first.codings[one], second.codings[two]) == ("br", "dcz")
    assert size(rollout, 1, "br") < first.received[one] < size(rollout, 1, "br") + MAX_RESPONSE_HEAD_BYTES
    assert size(rollout, 2, "dcz") < second.received[two] < size(rollout, 2, "dcz") + MAX_RESPONSE_HEAD_BYTES
    assert second.received[two] < first.received[one] / 4
    assert first.complaints == second.complaints == []


def test_a_visitor_two_releases_behind_and_one_who_saw_each(
    rollout: Rollout, browser: Browser, container: Containers
) -> None:
    behind, faithful = browser.new_context(), browser.new_context()
    three = f"/static/{rollout.names[2]}"
    with container(1) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        visit(behind, url)
        visit(faithful, url)
    with container(2):
        assert visit(faithful, url).codings[f"/static/{rollout.names[1]}"] == "dcz"
    with container(3) as server:
        for context in (behind, faithful):
            third = visit(context, url)
            assert (third.release, third.codings[three], third.complaints) == (compute_result(3), "dcz", [])
            assert third.received[three] < 1000
        server.wait_for(f"GET {three} HTTP/1.1 200 ", times=2)
        sent = re.findall(rf"GET {re.escape(three)} HTTP/1\.1 200 (\d+) dcz ", server.output)
    deltas = {str(path.stat().st_size) for path in rollout.trees[2].glob(f"{rollout.names[2]}.*.dcz")}
    assert len(sent) == 2
    assert set(sent) <= deltas


def test_an_old_page_is_sent_the_change_by_a_container_that_carries_its_files(
    rollout: Rollout, browser: Browser, container: Containers
) -> None:
    two = f"/static/{rollout.names[1]}"
    context = browser.new_context()
    with container(1) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        visit(context, url)
    with container(3) as server:
        page = context.new_page()
        page.goto(f"{url}/healthz")
        assert page.evaluate(ASK, [f"{url}{two}", None]) == compute_result(2)
        assert logged(server, two) == (size(rollout, 2, "dcz"), "dcz")


def test_a_first_visit_is_as_it_was(rollout: Rollout, browser: Browser, container: Containers) -> None:
    with container(3) as server:
        only = visit(browser.new_context(), server.url.replace("127.0.0.1", "localhost"))
        assert logged(server, f"/static/{rollout.names[2]}")[1] == "br"
    assert (only.release, only.complaints) == (compute_result(3), [])


def test_what_a_bundler_renamed_comes_as_the_change_alone_from_each_of_its_folders(
    browser: Browser, tmp_path: Path, cache: Path
) -> None:
    bundles, port = build_bundled_rollout(tmp_path, cache), str(find_free_port())
    context, visits = browser.new_context(), []
    for place, tree in enumerate(bundles.trees):
        show_bundles(bundles.project, place)
        with run_server(cwd=bundles.project, **SETTINGS, DJANGO_STATIC_ROOT=str(tree), PORT=port) as server:
            visits.append(visit(context, server.url.replace("127.0.0.1", "localhost")))
    for folder, (_, chunk) in BUNDLES[1].items():
        first = f"/static/dist/{folder}/{BUNDLES[0][folder][1]}"
        second = f"/static/dist/{folder}/{chunk}"
        (delta,) = (bundles.trees[1] / "dist" / folder).glob(f"{chunk}.*.dcz")
        assert (visits[0].codings[first], visits[1].codings[second]) == ("br", "dcz")
        assert delta.stat().st_size < visits[1].received[second] < delta.stat().st_size + MAX_RESPONSE_HEAD_BYTES
        assert visits[1].received[second] < visits[0].received[first] / 4
    assert [each.release for each in visits] == [compute_result(1), compute_result(2)]
    assert [complaint for each in visits for complaint in each.complaints] == []


ASK = """([url, mode]) => new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.crossOrigin = mode;
    [script.src, script.onload, script.onerror] = [url, resolve, reject];
    document.head.append(script);
}).then(() => document.documentElement.dataset.release)"""


@pytest.mark.parametrize(("mode", "coding"), [("anonymous", "dcz"), (None, "br")])
def test_from_another_origin_of_the_site_and_below_another_prefix_it_takes_cors_mode(
    *, rollout: Rollout, browser: Browser, container: Containers, mode: str | None, coding: str
) -> None:
    context = browser.new_context()
    with run_server(cwd=rollout.project, **SETTINGS, DJANGO_STATIC_ROOT=str(rollout.trees[0])) as pages:
        for release, expected in ((1, "br"), (2, coding)):
            with container(release, DJANGO_STATIC_PREFIX="/of/site/assets/") as server:
                page = context.new_page()
                page.goto(f"http://localhost:{pages.port}/healthz")
                path = f"/of/site/assets/{rollout.names[release - 1]}"
                assert page.evaluate(ASK, [f"http://localhost:{server.port}{path}", mode]) == compute_result(release)
                assert logged(server, path)[1] == expected
                page.close()


@needs(NGINX, "no nginx on this machine")
def test_the_laptops_cdn_keeps_deltas_apart(
    rollout: Rollout, browser: Browser, container: Containers, tmp_path: Path
) -> None:
    port = find_free_port()
    url = f"http://localhost:{port}"
    two, three = (f"/static/{name}" for name in rollout.names[1:])
    behind, before, before_too, nobody = (browser.new_context() for _ in range(4))
    with container(1) as server:
        origin = f"127.0.0.1:{server.port}"
    with nginx_before(container, 1, origin, tmp_path, port):
        visit(behind, url)
    with nginx_before(container, 2, origin, tmp_path, port):
        for context in (before, before_too):
            assert visit(context, url).codings[two] == "br"  # their first visit
        assert visit(behind, url).codings[two] == "dcz"
    with nginx_before(container, 3, origin, tmp_path, port):
        visits = [visit(context, url) for context in (nobody, before, before_too, behind, browser.new_context())]
    assert [each.codings[three] for each in visits] == ["br", "dcz", "dcz", "dcz", "br"]
    assert [each.statuses[three] for each in visits] == ["MISS", "MISS", "HIT", "HIT", "HIT"]
    assert {each.release for each in visits} == {compute_result(3)}
    assert [complaint for each in visits for complaint in each.complaints] == []
    assert max(each.received[three] for each in visits[1:4]) < visits[0].received[three] / 4


def test_the_report_tells_made_deltas_from_carried_ones(
    rollout: Rollout, browser: Browser, tmp_path: Path, cache: Path
) -> None:
    project = shutil.copytree(rollout.project, tmp_path / "project")
    variables = {"DJANGO_STATIC_CACHE": str(cache), "DJANGO_STATIC_PREVIOUS": str(rollout.trees[1])}
    built = run("static-host", "build", "--report", "report.html", cwd=project, **SETTINGS, **variables)
    assert built.returncode == 0, built.stderr
    page = browser.new_page()
    page.goto((project / "report.html").as_uri())
    text = page.locator("#deltas").inner_text()
    assert text.startswith("Deltas (dcz) of 1 files against 2 earlier versions: ")
    carried = size(rollout, 2, "dcz")
    assert text.endswith(f" s. Deltas carried with earlier releases, not encoded again: 1, {carried} bytes.")


def test_the_inspector_shows_what_the_deltas_saved(browser: Browser, tmp_path: Path, cache: Path) -> None:
    own = tmp_path / "static/inspector/panel.js"
    own.parent.mkdir(parents=True)
    source = (Path(__file__).parents[2] / "app/static_host_site/static/inspector/panel.js").read_text()
    (tmp_path / "changed.py").write_text(
        "from static_host_site.settings import *\nSTATICFILES_DIRS = ['static']\nSTATIC_ROOT = 'staticfiles'\n"
    )
    variables = {"DJANGO_SETTINGS_MODULE": "changed", "PORT": str(find_free_port())}
    context = browser.new_context()
    shown = []
    for previous, comment in (("nothing", "one"), ("staticfiles", "two")):
        own.write_text(f"{source}\n/* {comment} */\n")
        built = run(
            *("static-host", "build"),
            cwd=tmp_path,
            **variables,
            DJANGO_STATIC_CACHE=str(cache),
            DJANGO_STATIC_PREVIOUS=previous,
            DJANGO_STATIC_PREVIOUS_PROBLEMS="warn",
        )
        assert built.returncode == 0, built.stderr
        with run_server(cwd=tmp_path, **variables) as server:
            page = context.new_page()
            page.goto(server.url.replace("127.0.0.1", "localhost"))
            page.locator("tr[data-delivery=network] .chip").first.wait_for()
            page.wait_for_load_state("networkidle")
            shown.append((page.locator("#deltas").is_visible(), page.locator("table.travel").inner_text()))
            page.close()
    deltas = sorted((tmp_path / "staticfiles").glob("inspector/*.dcz"))
    main, panel = (delta.stat().st_size for delta in deltas)  # main.js names panel.js, so it changes, too
    whole = sum(delta.with_name(delta.name[:-17] + ".br").stat().st_size for delta in deltas)
    assert [visible for visible, _ in shown] == [False, True]
    text = re.sub(r"\s+", " ", shown[1][1])
    assert f"Only the change dcz saved {whole - main - panel:,} bytes {main + panel}" in text
    assert re.search(rf"panel\.js dcz network {panel} ", text)


@contextmanager
def nginx_before(container: Containers, release: int, origin: str, directory: Path, port: int) -> Iterator[None]:
    """Run a release behind the one CDN, whose cache stays."""
    with container(release), run_nginx(origin, directory, port=port):
        yield
