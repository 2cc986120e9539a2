"""What a browser loads with a module, from what the build recorded."""

from __future__ import annotations

from static_host_django.script_facts import ScriptFacts

HOST = "https://cdn.example.com/static/"
FACTS = ScriptFacts(
    HOST,
    {"shop/a b.1.js": "sha384-a"},
    {
        "shop/a b.1.js": ["./b.2.js", "../c.3.js?v=1", "/static/shop/d.4.js"],
        "shop/b.2.js": ["./a%20b.1.js", "../c.3.js?v=1", "../c.3.js"],
        "c.3.js": ["./shop/b.2.js"],
    },
)


def test_a_module_s_graph_has_each_url_once_the_nearest_first() -> None:
    assert list(FACTS.walk_imports([f"{HOST}shop/a%20b.1.js", f"{HOST}shop/a%20b.1.js"])) == [
        f"{HOST}shop/a%20b.1.js",
        f"{HOST}shop/b.2.js",
        f"{HOST}c.3.js?v=1",
        f"{HOST}shop/d.4.js",
        f"{HOST}c.3.js",
    ]


def test_integrity_is_that_of_urls_of_the_tree() -> None:
    urls = (f"{HOST}shop/a%20b.1.js", f"{HOST}shop/a%20b.1.js?v=1#x", "https://example.com/static/shop/a%20b.1.js")
    assert [FACTS.find_integrity(url) for url in urls] == ["sha384-a", "sha384-a", ""]
    assert ScriptFacts().find_integrity("shop/a%20b.1.js") == ""
