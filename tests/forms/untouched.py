"""What looks like a reference and is none: in strings, comments, templates, and names that are called ``import``."""

from __future__ import annotations

from tests.forms import Form

_OBJECT = 'const o = { import(x) { return "o:" + x }, require: x => x, resolve: x => x, from: x => x, meta: {} };\n'

STRINGS = [
    Form("an import in a string", """const s = "import './a.js';"; print(s)""", "import './a.js';"),
    Form("an import in each kind of string", """const s = 'import "./a.js"', t = "export * from './a.js'", u = 'import("./a.js")', v = `import("./a.js")`; print(s.length, t.length, u.length, v.length)""", "15 22 16 16"),
    Form("new URL in a string", """print('new URL("./a.js", import.meta.url)', "import.meta.resolve('./a.js')", '//# sourceMappingURL=a.js.map', "/*# sourceMappingURL=a.js.map */")""", """new URL("./a.js", import.meta.url) import.meta.resolve('./a.js') //# sourceMappingURL=a.js.map /*# sourceMappingURL=a.js.map */"""),
    Form("over lines", "print('\\\nimport \"./a.js\"; \\\r\nexport * from \"./a.js\"')", 'import "./a.js"; export * from "./a.js"'),
    Form("after escaped quotes", r"""print("\"import './a.js'", '\\\'import("./a.js")', "\
\"; import './a.js'")""", """"import './a.js' \\'import("./a.js") "; import './a.js'"""),
    Form("with the separators of lines of Unicode", """print("a\u2028import './a.js'\u2029import('./a.js')".length)""", "34"),
    Form("next to each other", """print(["import ", './a.js', "from", "./a.js"].join(""), "import" + "./a.js", {"from": "./a.js"}.from, {import: "./a.js"}["import"])""", "import ./a.jsfrom./a.js import./a.js ./a.js ./a.js"),
    Form("as a directive", """"use strict"; "import './a.js'"\n'from'\n"./a.js"\nprint(1)""", "1"),
    Form("in a property and a case", """switch ("from") { case "import './a.js'": print(0); default: print({ "import('./a.js')": 1 }["import('./a.js')"]) }""", "1"),
    Form("a url() in a string", """print("a { background: url('a.png') }", '@import "a.css"', "url(a.png)")""", """a { background: url('a.png') } @import "a.css" url(a.png)"""),
]  # fmt: skip

COMMENTS = [
    Form("a comment", """// import "./a.js"; import("./a.js")\n/* import "./a.js" */ print(1) // export * from "./a.js"\n/*\nexport * from "./a.js"\n*/""", "1"),
    Form("JSDoc", '''/**\n * @import { A } from "./a.js"\n * @import * as x from './a.js'\n * @typedef {import("./a.js").A} B\n * @example\n * import { a } from "./a.js"\n */\nprint(1)\n/** @type {import('./a.js')} */ export let x''', "1"),
    Form("comments with quotes", """// it's "so\nprint(1) /* it's ' " ` */; /* ' */ print("import './a.js'") // `\n/** don't */ print(2)""", "1 import './a.js' 2"),
    Form("comments in one another", """/* // */ print(1); /* /* */ print(2); // */ /* import "./a.js"\nprint(3) //*/ import "./a.js"\n/*/ import "./a.js" /*/ print(4)\n/***/ print(5) /****/""", "1 2 3 4 5"),
    Form("a comment at the end", 'print(1)\n// import "./a.js"', "1"),
    Form("a comment that U+2028 ends", '// it\'s\u2028print("import \'./a.js\'") // "\u2029print(2)', "import './a.js' 2"),
    Form("a comment that a carriage return ends", '// it\'s\rprint("import \'./a.js\'") // "\rprint(2)', "import './a.js' 2"),
    Form("a hashbang", '#!/usr/bin/env node \'"` import "./a.js" /*\nprint("import \'./a.js\'")', "import './a.js'"),
    Form("comments of HTML", """var x = 1, y = 2; <!-- import("./a.js") it's\nprint("import('./a.js')")\n--> it's import("./a.js")\n/* " */ --> it's\n  /*\n*/ --> it's `\nprint(x --> y, x<!--y\n)""", "import('./a.js') false 0", is_script=True),
    Form("no comments of HTML in a module", """let x = 2, y = 0; while (x --> y) print(x, "import './a.js'")""", """1 import './a.js' 0 import './a.js'"""),
    Form("a declaration of an encoding", "\ufeff/* it's */ print('import \"./a.js\"')", 'import "./a.js"'),
]  # fmt: skip

TEMPLATES = [
    Form("a template", """print(`import "./a.js"; export * from './a.js'\nimport("./a.js") " ' // /*`)""", """import "./a.js"; export * from './a.js'\nimport("./a.js") " ' // /*"""),
    Form("a template with substitutions", """const x = "x"; print(`import "./${x}.js"; ${x} import("./a.js") ${`${x} import './a.js'`} ' "`)""", """import "./x.js"; x import("./a.js") x import './a.js' ' \""""),
    Form("braces in substitutions", """print(`${ { a: `}` }.a } import("./a.js") ${ (() => { return `{${"}"}` })() } import './a.js'`, "}`")""", """} import("./a.js") {} import './a.js' }`"""),
    Form("escapes in a template", r"""print(`\` import("./a.js") \${ import("./a.js") } $\{ $ { $${1}$` + "`", `\\`)""", """` import("./a.js") ${ import("./a.js") } ${ $ { $1$` \\"""),
    Form("comments and regular expressions in substitutions", """print(`${ /* } ` */ 1 // } `\n} ${ /[`}"]/.test("`") } ${ 4 /2/ 1 } import './a.js'`)""", "1 true 2 import './a.js'"),
    Form("tagged templates", r"""const t = (s, ...x) => s.raw.join("|") + x; print(t`import("./${1}.js")`, String.raw`import "./a.js"\u`, t `\u{`, (() => t)()`export * from "./a.js"`)""", r"""import("./|.js")1 import "./a.js"\u \u{ export * from "./a.js" """.strip()),
    Form("a template after an expression", """const f = () => (s) => s[0], o = { if: f(), get a() { return f() } }; print(f()`import "./a.js"`, o.if`'`, o.a`import './a.js'`, [f()][0]`"`)""", """import "./a.js" ' import './a.js' \""""),
    Form("import() of a template with a substitution", 'const x = "a"; await import(`./${x}.js`); await import(`./${"b"}.js`)', "[a] [b]"),
    Form("import() of a tagged template", 'await import(String.raw`./a.js`)', "[a]"),
]  # fmt: skip

UNKNOWN = [
    Form("a concatenation", 'const l = "a"; await import("./" + l + ".js"); await import("./a.js" + ""); await import("" + "./b.js")', "[a] [b]"),
    Form("a variable", 'const u = "./a.js"; await import(u); await import(u, {}); await import((u)); await import(/* "./b.js" */ u)', "[a]"),
    Form("calls on a literal", 'await import("./a.js".trim()); await import("./a.js".toString().slice(0)); await import(`./a.js`.trim()); await import(["./b.js"][0]); await import({ x: "./b.js" }.x)', "[a] [b]"),
    Form("operators and literals", 'await import("./a.js" in {} ? 0 : "./a" + ".js"); await import("./b.js".length && "./" + "b.js")', "[a] [b]"),
    Form("arguments of a call", 'const f = (...x) => x.at(-1); await import(f("./b.js", "./a.js")); await import(f(f("./b.js"), f("./a.js")))', "[a]"),
    Form("a function in import()", 'await import((() => "./a.js")()); await import((x => x ? "./b.js" : "./a.js")(0)); await import((function () { return "./a.js" })())', "[a]"),
    Form("a ternary in a concatenation", 'const c = 1; await import((c ? "./a" : "./b") + ".js"); await import("./" + (c ? "a.js" : "b.js")); await import(c ? "./a.js" + "" : "./b.js" + "")', "[a]"),
    Form("a condition", 'const c = "./b.js"; await import("./a.js" === c ? "./" + "a.js" : "./" + "b.js")', "[b]"),
    Form("an object of attributes", 'await import("./" + "a.js", { with: {}, x: "./b.js", y: c => c ? "./a.js" : "./b.js" })', "[a]"),
    Form("URLs of another base", 'print(new URL("./a.js", "https://x.example/y/").pathname, new URL("./a.js", import.meta.url + "/../x/").pathname.endsWith("/a.js"), new URL("./a.js", new URL("‹./x/›", import.meta.url)).pathname.endsWith("/x/a.js"))', "/y/a.js true true"),
    Form("URLs that are computed", 'const n = "a"; await import(new URL("./" + n + ".js", import.meta.url)); await import(new URL(`./${n}.js`, import.meta.url)); await import(new URL("./b.js" + "", import.meta.url)); await import(new URL(n + ".js", import.meta.url))', "[a] [b]"),
    Form("URLs of another class", 'class URLs { constructor(x) { this.x = x } } const o = { import: { meta: { url: "https://x.example/" } } }; const f = (x, y) => x; print(new URLs("./a.js", import.meta.url).x, new URL("./a.js", o.import.meta.url).href, f("./a.js", import.meta.url), new URL("./a.js", import.meta.url2 ?? "https://y.example").href)', "./a.js https://x.example/a.js ./a.js https://y.example/a.js"),
    Form("resolutions that are computed", 'const n = "a"; await import(import.meta.resolve("./" + n + ".js")); await import(import.meta.resolve(`./${n}.js`)); print([import.meta.resolve].length, (0, (x) => x)("./a.js"))', "[a] 1 ./a.js"),
    Form("resolve of others", 'const o = { meta: { resolve: x => x }, resolve: x => x, import: { meta: { resolve: x => x } } }; print(o.resolve("./a.js"), o.meta.resolve("./a.js"), o.import.meta.resolve("./a.js"), o.import.meta.resolve(`./a.js`)); import.meta.resolver?.("./a.js"); import.meta.x = x => x; print(import.meta.x("./a.js"))', "./a.js ./a.js ./a.js ./a.js ./a.js"),
    Form("require, define and others", 'const require = x => x, define = x => x, importScripts = x => x; class Worker {} print(require("./a.js"), define(["./a.js"]), importScripts("./a.js"), typeof new Worker("./a.js"))', "./a.js ./a.js ./a.js object"),
]  # fmt: skip

NAMES = [
    Form("methods called import", _OBJECT + 'print(o.import("./a.js"), o?.import("./a.js"), o\n.import("./a.js"), o. import ("./a.js"), o./* */import/**/("./a.js"), o?.\nimport\n("./a.js"), o.import (`./a.js`))', "o:./a.js o:./a.js o:./a.js o:./a.js o:./a.js o:./a.js o:./a.js"),
    Form("definitions called import", 'class A { import(x = "./a.js") { return x } static import(x) { return x } static x = (0, x => x)("./a.js") }\nconst o = { import(x = "./a.js") { return x }, async export(x) {} }, p = { get import() { return x => x }, set import(x) {} }, q = { import: x => x }; print(new A().import(), A.import("./a.js"), o.import(), p.import("./a.js"), q.import("./a.js"))', "./a.js ./a.js ./a.js ./a.js ./a.js"),
    Form("definitions called import and export, without a space", 'class A{*import(){yield"./a.js"}static async import(){}get export(){return"./a.js"}static*from(){yield"./a.js"}import2="./a.js"}print(new A().import().next().value,new A().export)', "./a.js ./a.js"),
    Form("fields called import", 'class A { import = "./a.js"; static import\n= "./a.js"; export\n= "./a.js"\n"from" = "./a.js"; static "import" = "./a.js" }\nclass B { import; "./a.js"; static from; "./b.js" }\nprint(new A().import, A.import, Object.keys(new B()).join())', "./a.js ./a.js import,./a.js,./b.js"),
    Form("private names called import", 'class A { #import(x) { return x } #from = "./a.js"; m() { return this.#import("./a.js") + this.#from } static m(x) { return #from in x } }\nprint(new A().m(), A.m(new A()))', "./a.js./a.js true"),
    Form("keys called import", 'const o = { import: 1, export: 2, from: "./a.js", "import": "./a.js", import2: "./a.js" }, { import: x, from: y = "./a.js" } = o; print(x, y, o.import)', "./a.js ./a.js ./a.js"),
    Form("names that end or begin with import", 'const f = x => x, $import = f, _import = f, éimport = f, importé = f, import$ = f, import2 = f, ｉmport = f, reimport = f, import\u200c = f; print($import("./a.js"), _import("./a.js"), éimport("./a.js"), importé("./a.js"), import$("./a.js"), import2("./a.js"), ｉmport("./a.js"), reimport("./a.js"), import\u200c("./a.js"))', " ".join(["./a.js"] * 9)),
    Form("names with escapes", r'''const f = x => x, \u0061import = f, import\u0061 = f, \u{61}\u{62}import = f, o = { im\u0070ort: f, \u0069mport: f }; print(aimport("./a.js"), importa("./a.js"), \u0061import("./a.js"), import\u0061("./a.js"), import\u{61}("./a.js"), abimport("./a.js"), o.im\u0070ort("./a.js"), o.\u{69}mport("./a.js"))''', " ".join(["./a.js"] * 8)),
    Form("variables called from and as", 'let from = "./a.js", as = x => x; from\n"./a.js"\nprint(from, as("./a.js"), as(from))\nexport { from, as }\n"./a.js"', "./a.js ./a.js ./a.js"),
    Form("an export of from, and a string", 'let from = 1; export default from\n"./a.js"\nprint(1)', "1"),
    Form("an export of a constant from, and a string", 'let from = "from"; export const x = from\n"./a.js"; export let y\n"./a.js"; print(x)', "from"),
    Form("an export of a function called from", 'export function from(x) { return x } "./a.js"; export class as {} "./a.js"; print(from("./a.js"))', "./a.js"),
    Form("exports of names called from", 'const x = 1; export { x as from }; "./a.js"; export { x as "from ./a.js" }\n"./a.js"\nexport { x as as, x as import }\n"./a.js"; print(1)', "1"),
    Form("exports called default", 'export default "./a.js"; print(1)', "1"),
    Form("exports of templates", 'export default `from "./a.js"`; export const x = "from \'./a.js\'"; print(x)', "from './a.js'"),
    Form("import.meta", 'print(typeof import.meta.url, typeof import.meta["resolve"], "./a.js"); import.meta\n"./a.js"; import.meta.from = "./a.js"; print(import.meta.from)', "string function ./a.js ./a.js"),
    Form("await and yield as names", 'var await = 4, yield = 2, g = 1, f = "import(\'./a.js\')"; print(await /yield/ g, yield /2/ g, f); var async = 8; print(async /2/ g, "import(\'./a.js\')")', "2 1 import('./a.js') 4 import('./a.js')", is_script=True),
    Form("let, static, of and others as names", 'var let = 8, static = 8, of = 8, get = 8, set = 8, g = 1, implements = 8; print(let /2/ g, static /2/ g, of /2/ g, get /2/ g, set /2/ g, implements /2/ g, "import \'./a.js\'")', "4 4 4 4 4 4 import './a.js'", is_script=True),
    Form("numbers", 'const e3 = 1; print(1_000, 0n, 10n /2n/ 1n, 1e3 /2/ 1, .5/2, 5./2/1, 0x1F/31/1, 0b11/3/1, 1..toFixed(), 1.0.toFixed(), 8.5?"import(\'./a.js\')":0)', "1000 0 5 500 0.25 2.5 1 1 1 1 import('./a.js')"),
    Form("optional chains", 'const x = { y: { z: 4 } }, g = 2; print(x?.y?.z /2/ g, x?.5:0, x?.["y"]?.z, x?.y.z /g /1, "import(\'./a.js\')")', "1 0.5 4 2 import('./a.js')"),
    Form("decorators' look-alikes and labels", 'a: b: { break a } from: for (;;) { break from } as: "./a.js"; print(1)', "1"),
    Form("names of other scripts", 'const 名 = "import \'./a.js\'", ñ = 4, 𠮷 = 4, 𝒳 = 2, ﬀ = 2; print(名, ñ /2/ 1, 𠮷 /2/ 1, 𝒳 /2/ 1, ﬀ /2/ 1, "import(\'./a.js\')")', "import './a.js' 2 2 1 1 import('./a.js')"),
]  # fmt: skip

MAPS = [
    Form("a source map", 'print(1)\n//# sourceMappingURL=«main.js.map»', "1", {"main.js.map": "{}"}),
    Form("a source map, and a line break", 'print(1);\n//# sourceMappingURL=«main.js.map»\n', "1", {"main.js.map": "{}"}),
    Form("a source map in a comment of the other kind", 'print(1);\n/*# sourceMappingURL=«main.js.map» */', "1", {"main.js.map": "{}"}),
    Form("a source map of old", 'print(1);\n//@ sourceMappingURL=«main.js.map»', "1", {"main.js.map": "{}"}),
    Form("a source map in itself", 'print(1)\n//# sourceMappingURL=‹data:application/json;base64,e30=›', "1"),
    Form("a source map of another host", 'print(1)\n//# sourceMappingURL=‹https://example.com/main.js.map›', "1"),
    Form("a source map in a template", 'print(`\n//# sourceMappingURL=main.js.map\n`.length)', "34", {"main.js.map": "{}"}),
    Form("a name of the source", 'print(1)\n//# sourceURL=main.js\n', "1"),
]  # fmt: skip

UNTOUCHED = [*STRINGS, *COMMENTS, *TEMPLATES, *UNKNOWN, *NAMES, *MAPS]
