"""The map of the tree: which tiles it has, and where."""

from __future__ import annotations

from static_host.origin.representation import Representation, Resource
from static_host_site.tree_map import Box, Content, lay_out_tree


def make_resource(digest: str, identity: int, br: int, media_type: str = "text/css", *releases: int) -> Resource:
    representations = (
        Representation("dcz", f"{digest}.dcz", 1, f"{digest}-dcz", "dictionary"),
        Representation("br", f"{digest}.br", br, f"{digest}-br"),
        Representation("identity", digest, identity, digest),
    )
    return Resource(media_type, True, representations, releases or (0,))


def test_each_content_is_a_tile_as_large_as_its_smallest_coding_without_a_dictionary() -> None:
    css, javascript = lay_out_tree(
        {
            "a/site.0123456789ab.css": make_resource("one", 900, 500, "text/css; charset=utf-8"),
            "a/site.css": make_resource("one", 900, 500, "text/css; charset=utf-8"),
            "b.css": make_resource("two", 400, 250),
            "c.js": make_resource("three", 300, 250, "text/javascript"),
            "old.0123456789ab.js": make_resource("four", 300, 250, "text/javascript", 1),
        }
    )
    assert (css.content, css.tone) == (Content("text/css", 750, 1300, 2), 0)
    assert [(tile.content, tile.box, tile.label) for tile in css.tiles] == [
        (Content("a/site.css", 500, 900), Box(0.0, 0.0, 50.0, 100.0), "site.css"),
        (Content("b.css", 250, 400), Box(50.0, 0.0, 25.0, 100.0), "b.css"),
    ]
    assert (javascript.content, javascript.tone) == (Content("text/javascript", 250, 300), 1)
    assert [tile.box for tile in javascript.tiles] == [Box(75.0, 0.0, 25.0, 100.0)]


def test_a_box_is_cut_across_its_longer_side() -> None:
    sizes = {"a.css": 80, "b.css": 10, "c.css": 10}
    (css,) = lay_out_tree({name: make_resource(name, 100, size) for name, size in sizes.items()})
    assert [tuple(tile.box) for tile in css.tiles] == [
        (0.0, 0.0, 80.0, 100.0),
        (80.0, 0.0, 20.0, 50.0),
        (80.0, 50.0, 20.0, 50.0),
    ]


def test_small_contents_of_a_media_type_share_a_tile() -> None:
    small = {f"{number}.css": make_resource(str(number), 10, 2) for number in range(3)}
    (css,) = lay_out_tree({**small, "large.css": make_resource("large", 2000, 1200)})
    assert [(tile.content, tile.label) for tile in css.tiles] == [
        (Content("large.css", 1200, 2000), "large.css"),
        (Content("3 smaller", 6, 30, 3), ""),
    ]


def test_a_label_is_left_out_where_it_does_not_fit() -> None:
    resources = {
        "wide-enough.css": make_resource("one", 100, 85),
        "a-name-that-is-too-long-for-its-tile.css": make_resource("two", 100, 15),
    }
    (css,) = lay_out_tree(resources)
    assert [(tile.label, tile.is_label_short) for tile in css.tiles] == [("wide-enough.css", True), ("", True)]


def test_empty_files_have_tiles_without_a_size() -> None:
    (css,) = lay_out_tree({"a.css": make_resource("a", 0, 0), "b.css": make_resource("b", 0, 0)})
    assert [tuple(tile.box) for tile in css.tiles] == [(0.0, 0.0, 0.0, 100.0), (0.0, 0.0, 100.0, 100.0)]
