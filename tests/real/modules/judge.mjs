// An independent reader of references: acorn's syntax tree for JavaScript, css-tree's for CSS.
// Standard input: JSON list of file names. Standard output: for each a line of JSON, {"references": [[start, end, text,
// "url" or "name" of a module]]} or {"error": message}. Positions are UTF-16 code units in the text.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { text } from "node:stream/consumers";

const require = createRequire(new URL("../packages/package.json", import.meta.url));
const acorn = require("acorn");
const css = require("css-tree");

export function parse(source) {
  const options = { ecmaVersion: "latest", allowHashBang: true, ranges: false };
  try {
    return acorn.parse(source, { ...options, sourceType: "module" });
  } catch (wrong) {
    try {
      return acorn.parse(source, { ...options, sourceType: "script", allowReturnOutsideFunction: true });
    } catch {
      throw wrong;
    }
  }
}

// What an expression in the place of a URL gives, as far as it is written there.
function* literals(node) {
  if (node.type === "Literal" && typeof node.value === "string") yield [node.start + 1, node.end - 1, node.value];
  else if (node.type === "TemplateLiteral" && !node.expressions.length) yield [node.start + 1, node.end - 1, node.quasis[0].value.cooked];
  else if (node.type === "ConditionalExpression") yield* [...literals(node.consequent), ...literals(node.alternate)];
  else if (node.type === "ParenthesizedExpression") yield* literals(node.expression);
}

const isMeta = (node, name) =>
  node?.type === "MemberExpression" && node.object.type === "MetaProperty" && node.object.meta.name === "import" && !node.computed && node.property.name === name;
const isURL = node =>
  (node.type === "Identifier" && node.name === "URL") ||
  (node.type === "MemberExpression" && !node.computed && node.property.name === "URL" && ["globalThis", "window", "self"].includes(node.object.name));

export function scriptReferences(source) {
  if (!/import|export/.test(source)) return []; // neither keyword can be written otherwise
  const found = [];
  const stack = [parse(source)];
  while (stack.length) {
    const node = stack.pop();
    const note = (argument, kind) => found.push(...[...literals(argument)].map(each => [...each, kind]));
    if (node.type === "ImportExpression") note(node.source, "name");
    else if (/^(Import|Export(Named|All))Declaration$/.test(node.type) && node.source) note(node.source, "name");
    else if (node.type === "NewExpression" && isURL(node.callee) && node.arguments.length === 2 && isMeta(node.arguments[1], "url")) note(node.arguments[0], "url");
    else if (/^(Call|New)Expression$/.test(node.type) && isMeta(node.callee, "resolve") && node.arguments.length) note(node.arguments[0], "name");
    for (const key in node) {
      const value = node[key];
      if (Array.isArray(value)) for (const each of value) each && typeof each.type === "string" && stack.push(each);
      else if (value && typeof value === "object" && typeof value.type === "string") stack.push(value);
    }
  }
  return found.sort((a, b) => a[0] - b[0]);
}

export function styleReferences(source) {
  const { tokenTypes: types } = css;
  const found = [];
  const open = []; // the names of open functions, and brackets
  let rule = null; // the at-rule whose prelude this is
  let first = false; // whether nothing stood yet behind @import
  css.tokenize(source, (type, start, end) => {
    if (type === types.WhiteSpace || type === types.Comment) return;
    const text = source.slice(start, end);
    const counts = rule === null || (rule === "import" && first);
    const target = type === types.Url ? css.url.decode(text) : type === types.String ? css.string.decode(text) : "";
    const inside = open.at(-1);
    if (type === types.String && target && text.at(-1) === text[0] && ((counts && inside === "url") || (rule === null && /^(-webkit-)?image-set$/.test(inside)) || (rule === "import" && first))) found.push([start + 1, end - 1, target, "url"]);
    if (type === types.Url && target && counts) {
      const skipped = text.match(/^[^(]*\(\s*/)[0].length;
      found.push([start + skipped, start + text.replace(/\s*\)?$/, "").length, target, "url"]);
    }
    if (type === types.Function) open.push(css.ident.decode(text.slice(0, -1)).toLowerCase());
    else if ("([{".includes(text)) open.push(text);
    else if (")]}".includes(text)) open.pop();
    if (type === types.AtKeyword) [rule, first] = [css.ident.decode(text.slice(1)).toLowerCase(), true];
    else if (inside !== "url" && !(type === types.Function && open.at(-1) === "url")) first = false;
    if (text === ";" || text === "{" || text === "}") rule = null;
  });
  return found;
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  for (const file of JSON.parse(await text(process.stdin))) {
    let line;
    try {
      const source = readFileSync(file, "utf8");
      line = { references: (file.endsWith(".css") ? styleReferences : scriptReferences)(source) };
    } catch (error) {
      line = { error: `${error.message}` };
    }
    console.log(JSON.stringify(line));
  }
}
