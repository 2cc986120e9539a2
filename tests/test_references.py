"""References between static files, and from templates: rewritten, or reported."""

from __future__ import annotations

from pathlib import Path

from tests.builds import Build, files, manifest, settings

REMEDY = "  DJANGO_STATIC_MISSING_REFERENCES=warn turns these errors into warnings."


def test_references_are_rewritten_to_fingerprinted_names(build: Build, project: Path) -> None:
    build()
    tree = project / "staticfiles"
    assert b'url("img/dot.png")' in (tree / "site.css").read_bytes()
    assert b'url("img/dot.f829b914fc47.png")' in (tree / "site.e8e374d844cc.css").read_bytes()
    assert b'import { part } from "./part.3eb92c086480.js";' in (tree / manifest(project)["main.js"]).read_bytes()


def test_references_that_lead_nowhere_are_all_named_and_the_old_tree_stands(build: Build, project: Path) -> None:
    assert build().returncode == 0
    before = files(project / "staticfiles")
    (project / "mysite/static/broken.css").write_text(
        "a { color: red; }\nb { background: url(img/dott.png); }\n@import 'nothing.css';\n"
    )
    result = build()
    assert result.returncode == 5
    assert result.stderr.splitlines() == [
        "static-host: references that lead nowhere:",
        "  broken.css, line 2: img/dott.png does not exist. Did you mean img/dot.png?",
        "  broken.css, line 3: nothing.css does not exist.",
        REMEDY,
    ]
    assert files(project / "staticfiles") == before


def test_imports_and_names_in_templates_that_lead_nowhere_are_named_too(build: Build, project: Path) -> None:
    (project / "mysite/static/vendor.js").write_text(
        '// import "./in-a-comment.js";\nimport "./prat.js";\n/* import("./gone.js") */ import("./lost.js");\n'
    )
    (project / "mysite/templates/other.html").write_text(
        "{# {% static 'commented.css' %} #}\n{% comment %}\n{% static 'commented.css' %}\n{% endcomment %}\n"
        "{% static 'site.css' %}{% static 'site.css?v=2' %}{% static name %}{% static 'x-'|add:name %}\n"
        '<link href="{% static \'siet.css\' %}">{% static "img/absent.png" as url %}\n'
    )
    settings(project, "TEMPLATES[0]['DIRS'].append(BASE_DIR)")
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
    assert result.stderr.splitlines() == ["static-host: references that lead nowhere:", *lines, REMEDY]
    warned = build(DJANGO_STATIC_MISSING_REFERENCES="warn")
    assert warned.returncode == 0
    assert warned.stderr.splitlines() == [line.replace("  ", "static-host: ", 1) for line in lines]
    built = (project / "staticfiles" / manifest(project)["vendor.js"]).read_text()
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
    settings(project, "STATIC_URL = 'https://cdn.example.com/s/'")
    (project / "mysite/static/absolute.css").write_text("a { background: url(/s/img/dot.png); }\n")
    assert build().returncode == 0
    assert b"/s/img/dot.f829b914fc47.png" in (project / "staticfiles" / manifest(project)["absolute.css"]).read_bytes()


def test_what_stands_in_a_string_is_no_reference(build: Build, project: Path) -> None:
    """Tools for developers carry imports and url()s in the strings of their minified scripts."""
    (project / "mysite/static/tool.js").write_text(
        """help='write import x from "./module.js"; here';other=`import "./y.js"; `;import"./part.js";\n"""
    )
    (project / "mysite/static/tool.css").write_text("a::after { content: 'url(gone.png)' }\n")
    result = build()
    assert (result.returncode, result.stderr) == (0, "")
    built = (project / "staticfiles" / manifest(project)["tool.js"]).read_text()
    assert built.endswith('import"./part.3eb92c086480.js";\n')


def test_a_target_in_a_message_is_cut_where_it_is_no_name(build: Build, project: Path) -> None:
    (project / "mysite/static/odd.css").write_text(f"a {{ b: url({'x' * 5000}) }}\n")
    result = build()
    assert result.returncode == 5
    assert f"odd.css, line 1: {'x' * 200}… does not exist." in result.stderr
