"""Files whose names need care: in a URL, in a quoted literal, or on another system."""

from __future__ import annotations

from tests.forms import Form


def _named(name: str, *spelt: str) -> Form:
    """A file of this name, imported once by each spelling, each in another kind of literal."""
    literals = [f'import "«{each}»";' for each in spelt] + [f"await import(`«{each}»`);" for each in spelt]
    urls = [f"await import(new URL('«{each}»', import.meta.url));" for each in spelt]
    source = "\n".join([*literals, *urls, "export * from '«./a.js»'"])
    return Form(f"a file called {name}", source, "[named] [a]", {name: 'print("[named]")'})


NAMES = [
    _named("a b.js", "./a%20b.js", "./a b.js"),
    _named("a%.js", "./a%25.js", "./%61%25.js"),
    _named("a%20b.js", "./a%2520b.js"),
    _named("a#b.js", "./a%23b.js"),
    _named("a?b.js", "./a%3Fb.js", "./a%3fb.js"),
    _named("a?b#c%d e.js", "./a%3Fb%23c%25d%20e.js", "./a%3Fb%23c%25d e.js"),
    _named("ü.js", "./ü.js", "./%C3%BC.js", "./%c3%bc.js"),
    _named("u\u0308.js", "./u\u0308.js", "./u%CC%88.js"),
    _named("日本語.js", "./日本語.js", "./%E6%97%A5%E6%9C%AC%E8%AA%9E.js"),
    _named("😀.js", "./😀.js", "./%F0%9F%98%80.js"),
    _named("a'b.js", "./a%27b.js"),
    _named('a"b.js', "./a%22b.js"),
    _named("a`b.js", "./a%60b.js"),
    _named("${a}.js", "./$%7Ba%7D.js", "./%24%7Ba%7D.js"),
    _named("a&b.js", "./a&b.js", "./a%26b.js"),
    _named("a+b.js", "./a+b.js", "./a%2Bb.js"),
    _named("a,b;c=d@e!f(g)[h]~.js", "./a,b;c=d@e!f(g)[h]~.js", "./a%2Cb%3Bc%3Dd%40e%21f%28g%29%5Bh%5D~.js"),
    _named("a:b.js", "./a:b.js", "./a%3Ab.js"),
    _named("a<b>|^{}.js", "./a%3Cb%3E%7C%5E%7B%7D.js", "./a<b>|^%7B%7D.js"),
    _named("a*b.js", "./a*b.js"),
    _named("-->.js", "./--%3E.js"),
    _named("import.js", "./import.js"),
    _named("a.b.c.js", "./a.b.c.js"),
    _named("0123456789ab.js", "./0123456789ab.js"),
    _named("x.0123456789ab.js", "./x.0123456789ab.js"),
    _named("deep er/ü x/y#z.js", "./deep%20er/ü%20x/y%23z.js", "./deep er/%C3%BC x/./y%23z.js"),
    Form("a file with a query and a fragment in its URL", 'import "«./a%20b.js?x=1#y»"; import "«./a b.js?x=1#y»"', "[x]", {"a b.js": 'print("[x]")'}),
    Form("a name in an object's keys and in a template", "const n = { './a b.js': 1 }; await import(`«./a b.js»`); print(Object.keys(n)[0])", "[x] ./a b.js", {"a b.js": 'print("[x]")'}),
]  # fmt: skip
