"""References between static files, and from templates: rewritten, or reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from static_host_build.build_errors import BuildError
from static_host_build.references import missing_references
from static_host_build.references.template_references import find_static_names
from tests.support.builds import Build, append_settings, read_files, read_manifest_paths

REMEDY = "  DJANGO_STATIC_MISSING_REFERENCES=warn turns these errors into warnings."


def test_references_are_rewritten_to_fingerprinted_names(build: Build, project: Path) -> None:
    build()
    tree = project / "staticfiles"
    assert b'url("img/dot.png")' in (tree / "site.css").read_bytes()
    assert b'url("img/dot.f829b914fc47.png")' in (tree / "site.e8e374d844cc.css").read_bytes()
    assert (
        b'import { part } from "./part.3eb92c086480.js";'
        in (tree / read_manifest_paths(project)["main.js"]).read_bytes()
    )


def test_references_that_lead_nowhere_are_all_named_and_the_old_tree_stands(build: Build, project: Path) -> None:
    assert build().returncode == 0
    before = read_files(project / "staticfiles")
    (project / "mysite/static/broken.css").write_text(
        "a { color: red; }\nb { background: url(img/dott.png); }\n@import 'nothing.css';\n"
    )
    result = build()
    assert result.returncode == 5
    assert result.stderr.splitlines() == [
        "static-host: references that do not resolve:",
        "  broken.css, line 2: img/dott.png does not exist. Did you mean img/dot.png?",
        "  broken.css, line 3: nothing.css does not exist.",
        REMEDY,
    ]
    assert read_files(project / "staticfiles") == before


def test_imports_and_names_in_templates_that_lead_nowhere_are_named_too(build: Build, project: Path) -> None:
    (project / "mysite/static/vendor.js").write_text(
        '// import "./in-a-comment.js";\nimport "./prat.js";\n/* import("./gone.js") */ import("./lost.js");\n'
    )
    (project / "mysite/templates/other.html").write_text(
        "{# {% static 'commented.css' %} #}\n{% comment %}\n{% static 'commented.css' %}\n{% endcomment %}\n"
        "{% static 'site.css' %}{% static 'site.css?v=2' %}{% static name %}{% static 'x-'|add:name %}\n"
        '<link href="{% static \'siet.css\' %}">{% static "img/absent.png" as url %}\n'
    )
    append_settings(project, "TEMPLATES[0]['DIRS'].append(BASE_DIR)")
    (project / "README.md").write_text("{% static 'example.css' %}")
    (project / "node_modules/x").mkdir(parents=True)
    (project / "node_modules/x/y.html").write_text("{% static 'example.css' %}")
    (project / "mysite/templates/space.html").write_text("{% static 'caf%C3%A9%20menu.txt' %}")
    result = build()
    assert result.returncode == 5
    lines = [
        "  mysite/templates/other.html, line 6: img/absent.png does not exist.",
        "  mysite/templates/other.html, line 6: siet.css does not exist. Did you mean site.css?",
        "  vendor.js, line 2: ./prat.js does not exist. Did you mean part.js?",
        "  vendor.js, line 3: ./lost.js does not exist.",
    ]
    assert result.stderr.splitlines() == ["static-host: references that do not resolve:", *lines, REMEDY]
    warned = build(DJANGO_STATIC_MISSING_REFERENCES="warn")
    assert warned.returncode == 0
    assert warned.stderr.splitlines() == [line.replace("  ", "static-host: ", 1) for line in lines]
    built = (project / "staticfiles" / read_manifest_paths(project)["vendor.js"]).read_text()
    assert built == (project / "mysite/static/vendor.js").read_text()


def test_missing_source_maps_are_warnings(build: Build, project: Path) -> None:
    (project / "mysite/static/vendor.js").write_text("export default 1;\n//# sourceMappingURL=vendor.js.map\n")
    (project / "mysite/static/vendor.css").write_text("a { color: red; }\n/*# sourceMappingURL=vendor.css.map */\n")
    result = build()
    assert result.returncode == 0
    assert result.stderr.splitlines() == [
        "static-host: vendor.css, line 2: vendor.css.map does not exist.",
        "static-host: vendor.js, line 2: vendor.js.map does not exist.",
    ]


def test_an_absolute_reference_below_the_prefix_is_rewritten(build: Build, project: Path) -> None:
    append_settings(project, "STATIC_URL = 'https://cdn.example.com/s/'")
    (project / "mysite/static/absolute.css").write_text("a { background: url(/s/img/dot.png); }\n")
    assert build().returncode == 0
    assert (
        b"/s/img/dot.f829b914fc47.png"
        in (project / "staticfiles" / read_manifest_paths(project)["absolute.css"]).read_bytes()
    )


def test_a_folder_of_a_reference_stays_but_for_slashes_that_a_server_does_not_merge(
    build: Build, project: Path
) -> None:
    (project / "mysite/static/slashes.css").write_text(
        "a { b: url(img//dot.png) url(img%2fdot.png) url(img%2Fdot.png?a/b) url(.//img/dot.png) "
        "url(img/%2e%2e/img/dot.png) url(..//static///img/dot.png) url(/static//img//dot.png#//y) "
        "url(img/%2e%2e) url(img%2f) }"
    )
    result = build()
    assert (result.returncode, result.stderr) == (0, "")
    assert (project / "staticfiles" / read_manifest_paths(project)["slashes.css"]).read_text() == (
        "a { b: url(img/dot.f829b914fc47.png) url(img%2fdot.f829b914fc47.png) url(img%2Fdot.f829b914fc47.png?a/b) "
        "url(./img/dot.f829b914fc47.png) url(img/%2e%2e/img/dot.f829b914fc47.png) "
        "url(../static/img/dot.f829b914fc47.png) url(/static/img/dot.f829b914fc47.png#//y) "
        "url(img/%2e%2e) url(img%2f) }"
    )


def test_a_target_that_is_not_utf_8_is_named_by_its_bytes(build: Build, project: Path) -> None:
    (project / "mysite/static/latin.css").write_bytes(b"a { b: url(caf\xe9.png) }")
    assert build().stderr.splitlines()[1] == r"  latin.css, line 1: caf\xe9.png does not exist."


def test_what_stands_in_a_string_is_no_reference(build: Build, project: Path) -> None:
    """Tools for developers carry imports and url()s in the strings of their minified scripts."""
    (project / "mysite/static/tool.js").write_text(
        """help='write import x from "./module.js"; here';other=`import "./y.js"; `;import"./part.js";\n"""
    )
    (project / "mysite/static/tool.css").write_text("a::after { content: 'url(gone.png)' }\n")
    result = build()
    assert (result.returncode, result.stderr) == (0, "")
    built = (project / "staticfiles" / read_manifest_paths(project)["tool.js"]).read_text()
    assert built.endswith('import"./part.3eb92c086480.js";\n')


def test_a_target_in_a_message_is_cut_where_it_is_no_name(build: Build, project: Path) -> None:
    (project / "mysite/static/odd.css").write_text(f"a {{ b: url({'x' * 5000}) }}\n")
    result = build()
    assert result.returncode == 5
    assert f"odd.css, line 1: {'x' * 200}… does not exist." in result.stderr


def test_what_an_installed_package_lacks_is_a_warning(build: Build, project: Path) -> None:
    """Packages ship the sources of their bundles; who installs them cannot mend those."""
    package = project / "venv/lib/python3.13/site-packages/shop"
    (package / "static/shop").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "static/shop/index.js").write_text('import "./components";\nimport x from "vue";\n')
    (package / "static/shop/base.css").write_text('@import "tailwindcss";\na { b: url(gone.png) }\n')
    (package / "static/shop/view.jsx.js").write_text('import "./a";\nexport default <p>Don\'t</p>;\n')
    (project / "node_modules/lib").mkdir(parents=True)
    (project / "node_modules/lib/lib.css").write_text("a { b: url(gone.svg) }\n")
    append_settings(
        project,
        "import sys; sys.path.insert(0, str(BASE_DIR / 'venv/lib/python3.13/site-packages'))",
        "INSTALLED_APPS.append('shop')",
        "STATICFILES_DIRS.append(('lib', BASE_DIR / 'node_modules/lib'))",
    )
    result = build()
    assert (result.returncode, result.stderr.splitlines()) == (
        0,
        [
            "static-host: lib/lib.css, line 1: gone.svg does not exist.",
            "static-host: shop/base.css, line 2: gone.png does not exist.",
            "static-host: shop/index.js, line 1: ./components does not exist.",
        ],
    )


def test_the_nearest_name_is_told_with_its_folder(build: Build, project: Path) -> None:
    folder = project / "mysite/static"
    for name in ("admin/icons/close.svg", "shop/icons/close.svg", "shop/icons/open.svg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("<svg/>")
    (folder / "shop/css").mkdir()
    (folder / "shop/css/shop.css").write_text("a { b: url(../icon/close.svg) }\n")
    (folder / "shop/opener.svg").write_text('<svg><use href="icons/opne.svg#x"/></svg>')
    assert build().stderr.splitlines()[1:3] == [
        "  shop/css/shop.css, line 1: ../icon/close.svg does not exist. Did you mean shop/icons/close.svg?",
        "  shop/opener.svg, line 1: icons/opne.svg does not exist. Did you mean shop/icons/open.svg?",
    ]


def test_a_script_that_cannot_be_read_is_left_as_it_is_and_named(build: Build, project: Path) -> None:
    source = 'import "./part.js";\nexport default <p>Don\'t</p>;\n'
    (project / "mysite/static/view.js").write_text(source)
    result = build()
    assert (result.returncode, result.stderr.splitlines()) == (
        0,
        ["static-host: view.js, line 2: the file cannot be read (a string is not closed); its references are kept."],
    )
    assert (project / "staticfiles" / read_manifest_paths(project)["view.js"]).read_text() == source


def test_pictures_and_manifests_refer_to_fingerprinted_names(build: Build, project: Path) -> None:
    folder, tree = project / "mysite/static", project / "staticfiles"
    (folder / "icon.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg"><style>@import "site.css"; a { fill: url(#x) }</style>'
        '<image href="img/dot.png"/><use xlink:href="#x"/><a href="img/dot.png"/></svg>'
    )
    (folder / "app.webmanifest").write_text(
        '{"start_url": "img/dot.png", "icons": [{"src": "img/dot.png", "sizes": "1x1"}]}'
    )
    result = build()
    assert (result.returncode, result.stderr) == (0, "")
    names = read_manifest_paths(project)
    assert (tree / names["icon.svg"]).read_text() == (
        '<svg xmlns="http://www.w3.org/2000/svg"><style>@import "site.e8e374d844cc.css"; a { fill: url(#x) }</style>'
        '<image href="img/dot.f829b914fc47.png"/><use xlink:href="#x"/><a href="img/dot.png"/></svg>'
    )
    assert (tree / names["app.webmanifest"]).read_text() == (
        '{"start_url": "img/dot.png", "icons": [{"src": "img/dot.f829b914fc47.png", "sizes": "1x1"}]}'
    )


def test_a_picture_is_read_as_xml(build: Build, project: Path) -> None:
    """Character references are resolved, comments are no styles, and only attributes that CSS is in have a url()."""
    (project / "mysite/static/a&b.png").write_text("")
    source = (
        '<svg xmlns="http://www.w3.org/2000/svg" data-x="url(x.png)" aria-label="url(x.png)" inkscape:label="url(x)">\n'
        "<style><!-- a { b: url(x.png) } -->a { b: url(&quot;img/dot.png&quot;) url(a&amp;b.png) }</style>\n"
        '<g style="fill: url(&#39;img/dot.png#x&#x27;)" mask=\'url("img/dot.png")\' title="url(x.png)"/></svg>'
    )
    (project / "mysite/static/icon.svg").write_text(source)
    result = build()
    assert (result.returncode, result.stderr) == (0, "")
    assert (project / "staticfiles" / read_manifest_paths(project)["icon.svg"]).read_text() == source.replace(
        "img/dot.png", "img/dot.f829b914fc47.png"
    ).replace("a&amp;b.png", "a&amp;b.d41d8cd98f00.png")


def test_lines_are_counted_whatever_ends_them(build: Build, project: Path) -> None:
    folder = project / "mysite/static"
    (folder / "mac.css").write_bytes(b"a {}\rb {}\rc { d: url(gone.png) }\r")
    (folder / "windows.css").write_bytes(b"a {}\r\nb {}\r\nc { d: url(gone.png) }\r\n")
    (folder / "unread.js").write_bytes(b"import './part.js';\r\r\n\rlet x = 'y;")
    assert build().stderr.splitlines() == [
        "static-host: unread.js, line 4: the file cannot be read (a string is not closed); its references are kept.",
        "static-host: references that do not resolve:",
        "  mac.css, line 3: gone.png does not exist.",
        "  windows.css, line 3: gone.png does not exist.",
        REMEDY,
    ]


def test_a_folder_is_no_file_and_what_leads_back_into_the_tree_is_one(build: Build, project: Path) -> None:
    source = (
        'import x from ".";\nimport "./img";\nnew URL("./", import.meta.url);\n'
        'import "../../static/part.js";\nimport "/other/part.js";\nimport "//cdn.example.com/part.js";\n'
    )
    (project / "mysite/static/folders.js").write_text(source)
    result = build()
    assert (result.returncode, result.stderr) == (0, "static-host: folders.js, line 2: ./img is a folder.\n")
    built = (project / "staticfiles" / read_manifest_paths(project)["folders.js"]).read_text()
    assert built == source.replace("../../static/part.js", "../../static/part.3eb92c086480.js")


def test_tags_of_templates_are_read_as_django_reads_them() -> None:
    text = (
        "{% static 'a.css' %}{{ '{% static \"b.css\" %}' }}{% comment 'x' %}{% static 'c.css' %}\n"
        "{% endcomment %}{# {% static 'd.css' %} #}{% verbatim own %}{% static 'e.css' %}{% endverbatim %}"
        "{% static 'f.css' %}{% endverbatim own %}\n"
        "{%static\t'g.css'  as url%}{% static\n'h.css' %}{% static 'i' 'j' %}{% static 'k.css' % } {% static 'l.css' %}"
    )
    assert list(find_static_names(text)) == [(1, "a.css"), (3, "g.css")]


def test_names_in_templates_may_have_the_other_quote() -> None:
    text = (
        """{% static "it's.png" %}{% static '"b".png' as x %}{% static "a"b" %}{% static 'c'd' %}{% static "e\\"f" %}"""
    )
    assert list(find_static_names(text)) == [(1, "it's.png"), (1, '"b".png')]


def test_names_whose_integrity_a_template_asks_for_count_too() -> None:
    assert list(find_static_names("{% static_integrity 'a.css' %}{% static_file 'b.css' %}")) == [(1, "a.css")]


def test_the_ending_that_a_browser_does_not_add_is_told(build: Build, project: Path) -> None:
    folder = project / "mysite/static"
    (folder / "parts").mkdir()
    (folder / "parts/index.js").write_text("")
    (folder / "endings.js").write_text('import "./part";\nimport "./parts";\nimport "./main";\nimport "./site";\n')
    assert build().stderr.splitlines() == [
        "static-host: endings.js, line 2: ./parts is a folder. Did you mean parts/index.js?",
        "static-host: references that do not resolve:",
        "  endings.js, line 1: ./part does not exist. Did you mean part.js?",
        "  endings.js, line 3: ./main does not exist. Did you mean main.js?",
        "  endings.js, line 4: ./site does not exist. Did you mean site.css?",
        REMEDY,
    ]


def test_a_message_has_no_control_characters(build: Build, project: Path) -> None:
    """A file of a package must not colour a terminal, nor begin a line of its own."""
    (project / "mysite/static/odd.css").write_text(
        r"a { b: url('x\1b [31m.png') url('y\a static-host ready\202e .png') }"
    )
    (project / "mysite/static/line.css").write_text(r"a { b: url('img/\a dot\9 .png') }")
    assert build().stderr.splitlines()[1:-1] == [
        r"  odd.css, line 1: x\x1b[31m.png does not exist.",
        r"  odd.css, line 1: y\nstatic-host ready\u202e.png does not exist.",
    ]


def test_hints_stop_where_they_cost_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(missing_references, "_MAX_COMPARISONS", 500)
    references = [missing_references.MissingReference("a.css", line, f"x{line}.png") for line in (1, 2, 3)]
    with pytest.raises(BuildError) as caught:
        missing_references.report_missing(references, [f"x{number}.pngs" for number in range(10, 400)], is_fatal=True)
    assert caught.value.remedy == REMEDY
    assert str(caught.value).splitlines()[1:-1] == [
        "  a.css, line 1: x1.png does not exist.",
        "  a.css, line 2: x2.png does not exist.",
        "  a.css, line 3: x3.png does not exist.",
    ]
    with pytest.raises(BuildError, match=r"line 1: x1.png does not exist. Did you mean x11.png\?"):
        missing_references.report_missing(references, ["x11.png", "y.png"], is_fatal=True)


def test_a_name_whose_accents_are_spelt_in_another_way_is_told(build: Build, project: Path) -> None:
    (project / "mysite/static/cafe\u0301.png").write_text("")
    (project / "mysite/static/accents.css").write_text("a { b: url(caf\u00e9.png) }", encoding="utf-8")
    assert build().stderr.splitlines()[1] == (
        "  accents.css, line 1: caf\u00e9.png does not exist. Did you mean cafe\u0301.png? "
        "Its accents have another spelling (Unicode NFC, NFD)."
    )
