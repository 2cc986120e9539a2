"""Forms of JavaScript that Node 20 does not evaluate yet, or no longer, and texts that are no JavaScript."""

from __future__ import annotations

from tests.forms import Form

NEWER = [
    Form("import defer", 'import defer * as x from "«./a.js»"; import defer*as y from"«./b.js»"; import.defer("«./c.js»"); import . defer ( `«./d.js»` )'),
    Form("import source", 'import source x from "«./a.wasm»"; import source from from "«./b.wasm»"; import.source("«./c.wasm»")'),
    Form("names called defer and source", 'import defer from "«./a.js»"; import source from "«./b.js»"; import defer, { a } from "«./c.js»"; import source, * as b from "«./d.js»"'),
    Form("attributes of other types", """import css from "«./a.css»" with { type: "css" }; import "«./b.js»" assert { type: "./no.js" }; export * from "«./c.json»" with { type: 'json', "x": './no.js' }; import("«./d.css»", { with: { type: "css" } })"""),
    Form("imports of styles and texts by name", 'import x from "«./x.txt»" with { type: "text" }\nimport y from "«./y.bin»" with { type: "bytes" }'),
    Form("decorators", '@f("import \'./a.js\'") class A { @g() import(x) { } @(h / 2)["x"] y = 1; @import2 z }\n/"/.test("import(\'./a.js\')"); import("«./b.js»")'),
    Form("using", 'await using x = f(), y = 4 /2/ 1; { using z = g;\n/"/.test("import(\'./a.js\')") }; import("«./b.js»")'),
    Form("modifiers and duplicate names in regular expressions", """/(?i:["'])(?-s:.)|(?<y>a)|(?<y>b)/; import("«./b.js»")"""),
    Form("import.meta.resolve with optional calls", 'import.meta.resolve?.("«./a.js»")'),
    Form("import() in a spread and a decorator", 'f(...import("«./a.js»"), ...[import("«./b.js»")]); ({ ...import("«./c.js»") })'),
    Form("workers", 'new Worker(new URL("«./worker.js»", import.meta.url), { type: "module" }); new SharedWorker(new URL(/* webpackChunkName: "x" */ "«./shared.js»", import.meta.url)); navigator.serviceWorker.register(new URL("«sw.js»", import.meta.url)); CSS.paintWorklet.addModule(new URL(`«paint.js»`, import.meta.url).href)'),
    Form("fetch and WebAssembly", 'const { instance } = await WebAssembly.instantiateStreaming(fetch(new URL("«x.wasm»", import.meta.url)))'),
    Form("output of Vite and others", """const __vite__mapDeps=(i,m=__vite__mapDeps,d=(m.f||(m.f=["assets/a.js","assets/a.css"])))=>i.map(i=>d[i]);import{a as e,b as t}from"«./b.js»";export{e as default,t as"x"};const n=()=>e(()=>import("«./a.js»"),__vite__mapDeps([0,1]),import.meta.url);new URL(""+new URL("«c-1a2b.png»",import.meta.url).href,self.location.href)"""),
    Form("output of webpack", """/******/ (() => { var __webpack_modules__ = ({ "./src/a.js": ((m, e, r) => { eval("import('./a.js')"); r.e(/*! import() */ 1).then(r.bind(r, /*! ./b.js */ "./src/b.js")); }) }); })();"""),
    Form("AMD, CommonJS and others", """define(["./a.js", "import './b.js'"], function () {}); require("./c.js"); module.exports = { import: require('./d.js') }; importScripts("./e.js"); System.import("./f.js"); $.import('./g.js'); __import__("./h.js")"""),
    Form("TypeScript's import types, in JSDoc", '/** @type {import("./a.js").A<import(\'./b.js\').B>} */\nlet x = /** @type {typeof import("./c.js")} */ (y)'),
    Form("import of no literal", "import(x); import(import.meta.url); import(import.meta.resolve('«./a.js»'))"),
]  # fmt: skip
"""Valid by today's ECMA-262 and its proposals at stage 3, though no test here evaluates them."""

UNREADABLE = [
    # Texts, and the line that a message names.
    ("a string without an end", 'import "./a.js";\nconst s = "abc;\nimport "./b.js";', 2),
    ("a string without an end at the end", 'import "./a.js";\nconst s = \'', 2),
    ("a template without an end", 'import "./a.js";\n\nconst s = `abc;\n', 3),
    ("a substitution without an end", 'import "./a.js";\nconst s = `${a', 2),
    ("a comment without an end", 'import "./a.js";\n/* abc', 2),
    ("a regular expression without an end", 'import "./a.js";\nconst r = /abc[/]\n;', 2),
    ("a bracket without an end", 'import "./a.js";\nf(\n', 2),
    ("a bracket that closes nothing", 'import "./a.js";\n\n}', 3),
    ("brackets that do not fit", 'import "./a.js";\nf(]', 2),
    ("JSX", 'import "./a.js";\nexport const x = <div>\n  It\'s.\n</div>;\n', 3),
]  # fmt: skip
