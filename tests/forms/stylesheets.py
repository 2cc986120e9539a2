"""Forms of CSS, as CSS Syntax Level 3 reads them."""

from __future__ import annotations

from tests.forms import Form

URLS = [
    Form("url() without quotes", "a { background: url(«img/dot.png») }"),
    Form("url() with quotes", """a { background: url("«img/dot.png»"), url('«./img/dot.png»') }"""),
    Form("minified", 'a{background:url(«a.png»)}b{background:#fff url("«b.png»")no-repeat}c{src:url(«c.woff»)format("woff"),url(«d.ttf»)}'),
    Form("upper and mixed case", "a { background: URL(«a.png»), Url('«b.png»'), uRL( «c.png» ) }"),
    Form("spaces", "a { background: url( «a.png» ), url(\t\n«b.png»\r\n), url(\f'«c.png»' ), url( \"«d.png»\"\n) }"),
    Form("a space before the parenthesis is no call", "a { background: url (a.png); b: url\n('b.png') }"),
    Form("other functions", """a { b: my-url(a.png); c: xurl("b.png"); d: url-prefix("c.png"); e: curl('d.png'); f: -url(e.png); g: _url('f.png'); h: urls("x.png"); i: url2("y.png") }"""),
    Form("a modifier", """a { background: url("«a.png»" crossorigin(anonymous)), url('«b.png»' x) }"""),
    Form("nothing in it", """a { background: url(), url("‹›"), url( ), url('‹›') }"""),
    Form("a fragment", """a { filter: url(‹#blur›); clip-path: url("‹#clip›"); mask: url(«shapes.svg#a»); src: url("«font.eot?#iefix»") format("embedded-opentype") }"""),
    Form("queries", "a { background: url(«a.png?v=1»), url('«b.png?v=1&w=2#x»') }"),
    Form("above and absolute", "a { background: url(«../a.png»), url(«/static/b.png»), url('«./x/../c.png»') }"),
    Form("other hosts", """a { background: url(‹https://example.com/a.png›), url("‹//example.com/b.png›"), url(‹HTTP://x/c.png›), url(‹about:blank›) }"""),
    Form("many characters", "a { background: url(«a-b_c~d!e$f&g*h+i,j;k=l:m@n[o]p{q}r|s^t`u<v>w.png») }"),
    Form("Unicode", """a { background: url(«日本/ü😀.png»), url("«ñ é.png»") }"""),
    Form("percent signs", """a { background: url(«a%20b.png»), url("«a b.png»"), url('«%C3%BC.png»') }"""),
    Form("in a custom property", ":root { --a: url(«a.png»); --b:url('«b.png»'); --c: { background: url(«c.png») }; --d: foo(url(«d.png»)) }"),
    Form("in functions", "a { background: image-set(url(«a.png») 1x, url('«b.png»') 2x), cross-fade(url(«c.png»), url(«d.png»)); mask: var(--x, url(«e.png»)) }"),
    Form("in at-rules", "@media print { a { background: url(«a.png») } } @font-face { src: url(«b.woff2») } @supports (display: grid) { @layer x { a { b: url(«c.png») } } } @container (width > 1px) { a { b: url(«d.png») } } @page :first { background: url(«e.png») } @keyframes x { from { background: url(«f.png») } 50% { background: url(«g.png») } } @counter-style y { symbols: url(«h.png») } @property --z { initial-value: url(«i.png») }"),
    Form("nested rules", "a { &:hover { background: url(«a.png») } > b { background: url(«b.png») } background: url(«c.png»); @media print { background: url(«d.png») } }"),
    Form("without an end", "a { background: url(«a.png»"),
    Form("without an end, with a space", "a { background: url( «a.png» "),
    Form("without a parenthesis at the end", 'a { background: url("«a.png»"'),
    Form("no rule around it", "url(«a.png»)"),
    Form("a byte order mark", "\ufeffa { background: url(«a.png») }"),
]  # fmt: skip

ESCAPES = [
    Form("escapes in the function's name", r"""a { b: \75rl(«a.png»); c: u\72l(«b.png»); d: u\72 l( '«c.png»' ); e: \55 \52 \4c («d.png»); f: \000075rl(«e.png»); g: ur\l(«f.png»); h: \75\72\6c(«g.png») }"""),
    Form("escapes in the function's name that are others", r"a { b: \75 \20 rl(a.png); c: \7frl(b.png); d: ur\5c l(c.png); e: url\28 d.png\29; f: \url\28(e.png) }"),
    Form("escapes without quotes", r"a { b: url(«\61.png→a.png»); c: url(«a\20 b.png→a b.png»); d: url(«a\(b\).png→a(b).png»); e: url(«a\ b.png→a b.png»); f: url(«a\'b.png→a'b.png»); g: url(«\29 \7c .png→)|.png») }"),
    Form("escapes in quotes", r"""a { b: url("«\61.png→a.png»"); c: url('«a\20 b.png→a b.png»'); d: url("«a\"b.png→a"b.png»"); e: url('«a\'b.png→a'b.png»'); f: url("«\000061.png→a.png»"); g: url("«\0061 .png→a.png»") }"""),
    Form("a line break in quotes", 'a { b: url("«a\\\n.png→a.png»"); c: url(\'«a\\\r\n.png→a.png»\'); d: url("«\\61\n.png→a.png»") }'),
    Form("other scripts", r"""a { b: url("«\1F600 .png→😀.png»"); c: url(«\fc .png→ü.png») }"""),
    Form("an escaped quote and parenthesis in a string", r"""a { content: "\"url(a.png)"; b: '\'url(a.png)'; c: url("«b.png»") }"""),
    Form("an escape at the end", "a { b: url(«a.png») } c { d: \\"),
]  # fmt: skip

IMPORTS = [
    Form("@import", """@import "«a.css»"; @import '«b.css»'; @import url(«c.css»); @import url("«d.css»"); @import url( '«e.css»' );"""),
    Form("@import minified", """@import"«a.css»";@import'«b.css»';@import url(«c.css»);@import/**/"«d.css»";@import url("«e.css»")screen;a{b:url(«f.png»)}"""),
    Form("@import in any case", """@IMPORT "«a.css»"; @Import URL(«b.css»); @\\69mport "«c.css»"; @im\\70ort url(«d.css»);"""),
    Form("@import with comments and spaces", """@import/* "x.css" */\n\t"«a.css»"/* url(y.css) */;@import /* ; */ url(«b.css») /* ; */ ;"""),
    Form("@import with media", """@import "«a.css»" screen and (min-width: 1px), print; @import url(«b.css») (orientation: landscape);"""),
    Form("@import with layers", """@import "«a.css»" layer; @import url(«b.css») layer(x.y); @import '«c.css»' layer(x) supports(display: grid) screen;"""),
    Form("@import with supports", """@import "«a.css»" supports(not (display: grid)); @import url("«b.css»") supports(font-tech(color-COLRv1)) print;"""),
    Form("@import with a url() in its conditions", """@import "«a.css»" supports(background: url(x.png)); @import url(«b.css») supports(content: "url(y.png)");"""),
    Form("@import of bare names", """@import "‹tailwindcss›"; @import '‹~bootstrap/scss/bootstrap›'; @import "‹@scope/package›"; @import "‹tailwindcss/theme›" layer(theme);"""),
    Form("@import of other hosts", """@import "‹https://example.com/a.css›"; @import url(‹//example.com/b.css›); @import url("‹https://fonts.example/css?family=A:wght@400;700&display=swap›");"""),
    Form("@import with escapes", r"""@import "«\61.css→a.css»"; @import url(«\62 .css→b.css»);"""),
    Form("@import after others", """@charset "utf-8"; @layer a, b; @import "«a.css»"; @namespace x url(http://x); @import "«b.css»";"""),
    Form("@import without an end", '@import "«a.css»"'),
    Form("@import without a parenthesis", "@import url(«a.css»"),
    Form("names that begin like it", """@importance "a.css"; @import-x 'b.css'; @-import "c.css"; import "d.css"; \\@import "e.css";"""),
    Form("@import in a string and a comment", """/* @import "a.css"; */ a { content: '@import "b.css";' } /* @import url(c.css) */"""),
]  # fmt: skip

IMAGE_SETS = [
    Form("strings", """a { b: image-set("«a.png»" 1x, '«b.png»' 2x) }"""),
    Form("minified", """a{b:image-set("«a.png»"1x,"«b.png»"2x)}"""),
    Form("with a prefix, in any case", """a { b: -webkit-image-set("«a.png»" 1x, url(«b.png») 2x); c: IMAGE-SET("«c.png»" 1x); d: -WebKit-Image-Set("«d.png»" 2x) }"""),
    Form("types", """a { b: image-set("«a.avif»" type("image/avif"), "«a.png»" type('image/png') 2x, url("«b.png»") type("image/png")) }"""),
    Form("comments and spaces", """a { b: image-set( /* "x.png" */ "«a.png»"/* , "y.png" */1x , \n '«b.png»' ) }"""),
    Form("functions in it", """a { b: image-set(linear-gradient(red, blue) 1x, "«a.png»" calc(1x + 1x), url("«b.png»") 2dppx) }"""),
    Form("in a custom property and a rule", """:root { --a: image-set("«a.png»" 1x) } @media print { a { b: image-set("«b.png»" 1x) } }"""),
    Form("escapes", r"""a { b: image-set("«\61.png→a.png»" 1x); c: im\61ge-set("«b.png»" 1x) }"""),
    Form("other functions", """a { b: my-image-set("a.png" 1x); d: attr(x, "c.png"); e: format("d.png"); f: local("e.woff"); g: image-set ("f.png" 1x) }"""),
    Form("without an end", """a { b: image-set("«a.png»" 1x"""),
]  # fmt: skip

NOTHING = [
    Form("strings", """a { content: "url(a.png)"; b: 'url("b.png")'; quotes: "url(" ")"; c: "image-set('c.png')" } d[href="url(e.png)"] { }"""),
    Form("comments", """/* url(a.png) */ a { b: /* url("b.png") */ red; /* c: url(c.png); */ } /* it's " */ d { e: url(«d.png») } /**/ /***/ /* * / url(e.png) */ f { g: url('«f.png»') } /* url(g.png)"""),
    Form("comments in names and calls", """a { b: url(«x/*x*/a.png»); c: u/**/rl(b.png); d: url/**/(c.png); e: url("«d.png»"/* ) */); f: /*'*/url(«e.png»)/*'*/ }"""),
    Form("comments that are none", """a { b: url(«c//d.png»); e: url(«x/*y*/z.png») } // url(«no.png»)"""),
    Form("@namespace", """@namespace url(http://www.w3.org/1999/xhtml); @namespace svg url("a.svg"); @namespace "b.svg"; @NAMESPACE x url(c.svg); a { b: url(«d.png») }"""),
    Form("@charset and others", """@charset "a.css"; @layer x; @document url(b.html), url-prefix("c") { a { b: url(«d.png») } } @-moz-document url("e.html") { a { b: url(«f.png») } }"""),
    Form("data", """a { b: url(‹data:image/png;base64,iVBORw0KGgo=›); c: url("‹data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'%3E›"); d: url(«d.png») }"""),
    Form("data with quotes and parentheses in quotes", """a { b: url("‹data:image/svg+xml;utf8,<svg xmlns='x' fill='url(#a)'><path d='M0(0)'/></svg>›"); c: url('‹data:image/svg+xml,<svg a="url(b.png)">›'); d: url(«d.png») }"""),
    Form("data without quotes and with quotes in it is a bad URL", """a { b: url(data:image/svg+xml;utf8,<svg xmlns='http://x' width='1'></svg>); c: url(«c.png») }"""),
    Form("data without quotes, with spaces and parentheses, is a bad URL up to a parenthesis, and then a string", """a { b: url(data:image/svg+xml;utf8,<svg fill="rgb(1,2,3)"/>); c: url(c.png) }"""),
    Form("a bad URL", """a { b: url(a b.png); c: url(a"b.png); d: url(a'b.png); e: url(a(b.png); f: url(«f.png») }"""),
    Form("a bad URL with escapes", r"""a { b: url(a b\).png); c: url(«c.png»); d: url(x "\)" y.png); e: url(«e.png») }"""),
    Form("a bad URL that swallows", """a { b: url(x y; } c { d: url(z.png); e: url(«e.png») }"""),
    Form("a bad string", """a { content: "url(a.png); }\nb { c: url(«b.png») }\nd { content: 'x\n; e: url(«e.png») }"""),
    Form("a bad string in url()", """a { b: url("a.png\n); c: url(«c.png») }"""),
    Form("a string without an end", """a { b: url(«a.png»); content: "url(b.png)"""),
    Form("a string of quotes", """a { content: '"'; b: url(«b.png»); quotes: '"' "'" "'" '"'; c: url('«c.png»') }"""),
    Form("names and numbers beside it", """a { b: 1url(a.png); c: #url(b.png); e: @url(d.png); f: -url(e.png); g: url(«g.png») }"""),
    Form("selectors", """.url\\(a\\.png\\) { b: url(«b.png») } #url, .import, url, [data-url="url(c.png)"], :is("d.png") { e: url(«e.png») } .\\@import { f: url(«f.png») }"""),
    Form("unbalanced", """} ) ] a { b: url(«b.png») } ( [ { c: url(«c.png») """),
    Form("HTML's comments", """<!-- a { b: url(«b.png») } --> c { d: url(«d.png») }"""),
    Form("unicode-range", """@font-face { unicode-range: U+26, u+0-7F, U+0025-00FF, u+4??; src: url(«a.woff2») format("woff2"), local("url(b)"); }"""),
    Form("expressions of old", """a { filter: progid:DXImageTransform.Microsoft.AlphaImageLoader(src='a.png'); *background: url(«b.png»); _zoom: 1; behavior: url(«c.htc») }"""),
    Form("a value", """a { --json: { "src": "a.png" }; --s: "url(b.png)"; --u: url(«c.png»); --broken: (url(«d.png») }"""),
]  # fmt: skip

MAPS = [
    Form("a source map", "a { b: c }\n/*# sourceMappingURL=«main.css.map» */"),
    Form("a source map, minified", "a{b:c}/*# sourceMappingURL=«main.css.map»*/"),
    Form("a source map of old", "a{b:c}\n/*@ sourceMappingURL=«main.css.map» */\n"),
    Form("a source map in itself", "a{b:c}\n/*# sourceMappingURL=‹data:application/json;base64,e30=› */"),
    Form("a source map in a string", """a { content: "/*# sourceMappingURL=main.css.map */" }"""),
    Form("a source map in a line", "a{b:c}\n//# sourceMappingURL=main.css.map\n"),
]  # fmt: skip

STYLESHEETS = [*URLS, *ESCAPES, *IMPORTS, *IMAGE_SETS, *NOTHING, *MAPS]
