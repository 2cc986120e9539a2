// Random programs out of the pieces that a lexer misreads, each valid by acorn's word; one line of JSON for each:
// {"source", "references": [[start, end, text]]}. Arguments: a seed, and how many.
import { parse, scriptReferences } from "./judge.mjs";

let state = Number(process.argv[2] ?? 1);
const wanted = Number(process.argv[3] ?? 100);

function random() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
const pick = list => list[Math.floor(random() * list.length)];
const maybe = (chance, ...made) => (random() < chance ? made : []);
const times = (most, make) => Array.from({ length: Math.floor(random() * (most + 1)) }, make);
const joined = (lists, comma) => lists.flatMap((list, index) => (index ? [comma, ...list] : list));

const STRINGS = ['"\'"', "'\"'", '"`"', "'/'", '"/*"', "'//'", '"{"', "'}'", '"("', "')'", '"${"', "\"import './a.js'\"", "'import(\"./a.js\")'", '"\\""', "'\\''", '"\\\\"', '"\\\n"'];
const REGEXES = ['/"/', "/'/g", "/`/", '/[/"]/', "/[/']/y", "/\\//", "/[`]/", "/{/", "/}/", "/[(]/", "/\\)\"/", "/[[]/", "/]/u.x", "/\\\\/", "/[\\]/\"]/i", "/=/", "/=\"/", "/*?/".replace("*?", "x*?"), "/$/", "/${/".replace("${", "\\${"), "/import '.\\/a.js'/"];
const NAMES = ["a", "b", "g", "of", "get", "set", "async", "from", "as", "$", "_", "ñ", "\\u0061", "type", "target", "meta", "x1", "undefined", "defer", "source", "URL"];
const WORDS = ["if", "while", "for", "with", "return", "typeof", "import", "export", "in", "of", "case", "class", "function", "new", "delete", "do", "else", "yield", "await", "let", "static", "catch", "from", "as", "get", "async", "default", "throw", "void", "extends", "instanceof", "URL", "x", "await"];
const NUMBERS = ["1", "0", ".5", "5.", "1e3", "0xE", "1_0", "9n", "0b1", "1.5"];
const BINARY = ["/", "/", "/", "/", "*", "+", "-", "%", "<", ">", "<<", ">>>", "==", "===", "!=", "&&", "||", "&", "|", "^", ",", "in", "instanceof", "**"];
const ASSIGN = ["=", "=", "/=", "+=", "**=", "||=", ">>>="];
const PREFIX = ["!", "~", "+", "-", "typeof", "void", "delete", "++", "--", "new", "! await"];
const URLS = ['"./a.js"', "'./b.js'", "`./c.js`", '"./d.js"'];
const DECOYS = ["a", '"./no.js" + a', "a + './no.js'", "`./${a}.js`", "f('./no.js')", "('./no' + '.js')", "[ './no.js' ][0]", "a ? './e.js' : './f.js'", "a ? b ? './e.js' : './f.js' : ('./g.js')", "'./no.js'.x", "{ a: './no.js' }.a", "a.b ? './e.js' : b['./no.js']", "/'/ ? './e.js' : './f.js'", "{} ? './e.js' : './f.js'", "(a, { './no.js': 1 }[a]) ? './e.js' : './f.js'", "a?.b ? './e.js' : './f.js'", "a?.5:'./e.js'", "() => './no.js'", "function () { return './no.js' }", "('./e.js')", "'./no.js', './no.js'"].map(text => [text]);

const string = () => [pick(STRINGS)];
const name = () => [pick(NAMES)];
const url = depth => (random() < 0.7 ? [pick(URLS)] : pick(DECOYS));

function template(depth) {
  const parts = times(2, () => ["${", ...expression(depth - 1), "}", pick(["", "'", '"', "{", "}", " import('./a.js') ", "$", "\\`", "/*", "//"])]);
  return [["`" + pick(["", "'", '"', "{", "}", "import './a.js'", "$"]), ...parts.flat(), "`"]];
}

function load(depth) {
  return pick([
    () => ["import", "(", ...url(depth), ...maybe(0.2, ","), ")"],
    () => ["import", "(", ...url(depth), ",", ...expression(depth - 1, false), ")"],
    () => ["new", ...pick([["URL"], ["URL"], ["globalThis", ".", "URL"], ["x1", ".", "URL"]]), "(", ...url(depth), ",", ...pick([["import", ".", "meta", ".", "url"], ["import", ".", "meta", ".", "url"], ["import", ".", "meta", ".", "href"], ["a"]]), ")"],
    () => ["import", ".", "meta", ".", "resolve", "(", ...url(depth), ")"],
    () => ["a", ".", "import", "(", '"./no.js"', ")"],
    () => ["a", "?.", "import", "(", '"./no.js"', ")"],
    () => ["import", ".", "meta", ".", pick(WORDS)],
  ])();
}

const key = depth => pick([() => [pick(WORDS)], () => [pick(WORDS)], name, string, () => [pick(NUMBERS)], () => ["[", ...expression(depth - 1, false), "]"]])();
const parameters = depth => ["(", ...joined(times(2, () => pick([name, () => [...name(), "=", ...expression(depth - 1, false)], () => ["{", "a", ":", "b", "=", ...expression(depth - 1, false), "}"]])()), ","), ")"];
const body = depth => ["{", ...statements(depth - 1, true), "}"];
const method = depth => [...pick([[], [], ["get"], ["set"], ["async"], ["*"], ["async", "*"]]), ...key(depth), ...parameters(depth), ...body(depth)];

function object(depth) {
  const member = () => pick([name, () => [...key(depth), ":", ...expression(depth - 1, false)], () => method(depth), () => ["...", ...expression(depth - 1, false)]])();
  return ["{", ...joined(times(3, member), ","), "}"];
}

function klass(depth, named) {
  const member = () => [
    ...maybe(0.3, "static"),
    ...pick([
      () => method(depth),
      () => [...key(depth), ...maybe(0.7, "=", ...expression(depth - 1, false)), pick([";", "\n"])],
      () => ["#p" + Math.floor(random() * 1e6), "=", ...expression(depth - 1, false), ";"],
      () => ["static", ...body(depth)],
      () => [";"],
    ])(),
  ];
  return ["class", ...(named ? ["C" + Math.floor(random() * 1e6)] : maybe(0.3, "K")), ...maybe(0.3, "extends", ...(random() < 0.4 ? postfix(depth - 1) : primary(depth - 1))), "{", ...times(3, member).flat(), "}"];
}

const func = (depth, named) => [...maybe(0.3, "async"), "function", ...maybe(0.3, "*"), ...(named ? ["f" + Math.floor(random() * 1e6)] : maybe(0.3, ...name())), ...parameters(depth), ...body(depth)];
const arrow = depth => [...maybe(0.2, "async"), ...pick([name, () => parameters(depth)])(), "=>", ...pick([() => body(depth), () => expression(depth - 1, false), () => ["(", ...object(depth), ")"]])()];

function primary(depth) {
  const leaves = [name, name, () => [pick(NUMBERS)], string, () => [pick(REGEXES)], () => [pick(REGEXES)], () => [pick(["this", "null", "true"])]];
  if (depth <= 0) return pick(leaves)();
  return pick([
    ...leaves,
    () => template(depth),
    () => load(depth),
    () => load(depth),
    () => ["(", ...expression(depth - 1), ")"],
    () => ["[", ...joined(times(3, () => expression(depth - 1, false)), ","), "]"],
    () => object(depth),
    () => object(depth),
    () => func(depth),
    () => klass(depth),
    () => ["(", ...arrow(depth), ")"],
    () => ["new", ...primary(depth - 1)],
  ])();
}

function postfix(depth) {
  const suffix = () =>
    pick([
      () => [".", pick(WORDS)],
      () => ["?.", pick(WORDS)],
      () => [".", pick(WORDS), "(", ...joined(times(2, () => expression(depth - 1, false)), ","), ")"],
      () => ["[", ...expression(depth - 1), "]"],
      () => ["(", ...joined(times(2, () => expression(depth - 1, false)), ","), ")"],
      () => template(depth - 1),
    ])();
  return [...primary(depth), ...times(2, suffix).flat(), ...maybe(0.15, pick(["++", "--"]))];
}

// An expression that is valid by itself: what is made of valid parts is valid more often.
function expression(depth, comma = true) {
  for (let tries = 0; depth > 0 && tries < 6; tries++) {
    const made = attempt(depth);
    if (isValid(`async () => { async function* f() { for (;;) { (${write(made)}) } } }`)) return comma || !made.includes(",") ? made : ["(", ...made, ")"];
  }
  return primary(0);
}

function attempt(depth) {
  return pick([
    () => postfix(depth),
    () => postfix(depth),
    () => [...postfix(depth), pick(BINARY), ...expression(depth - 1)],
    () => [...postfix(depth), pick(BINARY), ...expression(depth - 1)],
    () => [...postfix(depth), "/", ...expression(depth - 1)],
    () => [pick(PREFIX), ...expression(depth - 1)],
    () => [...postfix(depth), "?", ...expression(depth - 1, false), ":", ...expression(depth - 1, false)],
    () => [...name(), pick(ASSIGN), ...expression(depth - 1, false)],
    () => arrow(depth),
    ...maybe(0.3, () => ["yield", ...maybe(0.2, "*"), ...expression(depth - 1, false)]),
  ])();
}

const end = () => pick([[";"], [";"], ["\n"], ["\n"], []]);
const isStatement = text => isValid(`async function* f() { for (;;) { ${text} } }`);

function statement(depth, inside) {
  for (let tries = 0; depth > 0 && tries < 6; tries++) {
    const made = attemptStatement(depth, inside);
    if (isStatement(write(made))) return made;
  }
  return [...name(), ";"];
}

const nested = depth => pick([() => ["{", ...statements(depth - 1), "}"], () => statement(depth - 1)])();

function attemptStatement(depth, inside) {
  const head = () => ["(", ...expression(depth - 1), ")"];
  return pick([
    () => [...expression(depth), ...end()],
    () => [...expression(depth), ...end()],
    () => [pick(REGEXES), ".", "test", "(", ...string(), ")", ...end()],
    () => [pick(["let", "var", "const"]), "v" + Math.floor(random() * 1e6), "=", ...expression(depth - 1, false), ...end()],
    () => ["if", ...head(), ...nested(depth), ...maybe(0.5, "else", ...nested(depth))],
    () => ["while", ...head(), ...nested(depth)],
    () => ["do", ...nested(depth), "while", ...head(), ...end()],
    () => ["for", "(", ...pick([() => [";", ";"], () => ["const", "v", "of", ...expression(depth - 1, false)], () => ["let", "v", "in", ...expression(depth - 1)], () => ["let", "v", "=", ...expression(depth - 1, false), ";", ...expression(depth - 1), ";"]])(), ")", ...nested(depth)],
    () => ["{", ...statements(depth - 1), "}"],
    () => ["l" + Math.floor(random() * 1e6), ":", ...nested(depth)],
    () => ["switch", ...head(), "{", ...times(2, () => ["case", ...expression(depth - 1), ":", ...statements(depth - 1)]).flat(), ...maybe(0.5, "default", ":", ...statements(depth - 1)), "}"],
    () => ["try", "{", ...statements(depth - 1), "}", ...pick([["catch"], ["catch", "(", "e", ")"], ["finally"]]), "{", ...statements(depth - 1), "}"],
    () => func(depth, true),
    () => klass(depth, true),
    () => [";"],
    () => [pick(["throw", ...(inside ? ["return"] : [])]), ...expression(depth - 1), ...end()],
    () => [inside ? "return" : "debugger", "\n"],
    () => ["for", "(", ";", ";", ")", "{", pick(["break", "continue"]), pick(["\n", ";"]), ...statements(depth - 1), "}"],
  ])();
}

const statements = (depth, inside) => (depth <= 0 ? [] : times(3, () => statement(depth, inside)).flat());

let exported = 0;
const declaration = () =>
  pick([
    () => ["import", pick(URLS.slice(0, 2)), ...end()],
    () => ["import", "i" + exported++, "from", pick(URLS.slice(0, 2)), ...end()],
    () => ["import", "{", "a", "as", "i" + exported++, ",", '"./no.js"', "as", "i" + exported++, "}", "from", pick(URLS.slice(0, 2)), ...maybe(0.3, "with", "{", "type", ":", '"json"', "}"), ...end()],
    () => ["import", "i" + exported++, ",", "*", "as", "i" + exported++, "from", pick(URLS.slice(0, 2)), ...end()],
    () => ["export", "*", "from", pick(URLS.slice(0, 2)), ...end()],
    () => ["export", "*", "as", pick([`e${exported++}`, `"from './no${exported++}.js'"`]), "from", pick(URLS.slice(0, 2)), ...end()],
    () => ["export", "{", "default", "as", "e" + exported++, ",", '"./no.js"', "as", `"./x${exported++}"`, "}", "from", pick(URLS.slice(0, 2)), ...end()],
    () => ["export", "const", "e" + exported++, "=", ...expression(2, false), ...end()],
    () => ["export", ...func(2, true)],
    () => ["export", ...klass(2, true)],
    () => ["export", "{", "}", ...end()],
    () => (exported % 9 ? [";"] : ["export", "default", ...pick([() => [...expression(2, false), ...end()], () => func(2), () => klass(2)])()]),
  ])();

const GAPS = ["", "", "", "", "", "", " ", " ", "\n", "/*'*/", "/*\"\n*/", "//'\n", "/* import './a.js' */"];
const isWord = char => /[\w$\\ñ]/.test(char ?? "");

function write(tokens) {
  const dense = random() < 0.4;
  let text = "";
  for (const token of tokens) {
    if (Array.isArray(token)) {
      text += (isWord(text.at(-1)) ? " " : "") + token[0];
      for (const part of token.slice(1)) text += part === "${" ? part : " " + part;
      continue;
    }
    let gap = dense ? "" : pick(GAPS);
    const last = text.at(-1);
    if (!gap && isWord(last) && isWord(token[0])) gap = " ";
    if (!gap && ((/[+-]/.test(last) && last === token[0]) || (last === "/" && /[/*]/.test(token[0])) || (/\d/.test(last) && token[0] === ".") || (last === "." && /\d/.test(token[0])))) gap = " ";
    text += gap + token;
  }
  return text;
}

const isValid = source => {
  try {
    parse(source);
    return true;
  } catch {
    return false;
  }
};

// A statement by itself, so that one wrong piece does not spoil a whole program.
function piece() {
  for (;;) {
    const source = write(random() < 0.3 ? declaration() : statement(4));
    if (isValid(source)) return source;
  }
}

for (let made = 0; made < wanted; ) {
  exported = 0;
  const source = times(6, piece).join(pick(["", "", "\n", " "]));
  if (!source.trim() || !isValid(source)) continue;
  made++;
  console.log(JSON.stringify({ source, references: scriptReferences(source) }));
}
