// Evaluates modules and scripts, each with a fresh list of what it prints, and writes those lists as JSON.
// Standard input: {"root": folder that /static/ names, "entries": {form: {"file": path, "script": boolean}}}.
import { readFileSync } from "node:fs";
import { register } from "node:module";
import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";
import vm from "node:vm";

const { root, entries } = JSON.parse(await text(process.stdin));

// As a browser with an import map: what begins with /static/ is below the root, and bare names have their module.
const hooks = `
  const bare = "data:text/javascript,export%20default%20'bare'";
  let root;
  export const initialize = data => { root = data };
  export const resolve = (name, context, next) =>
    name.startsWith("/static/") ? next(root + name.slice(8), context)
    : /^(bare|@scope|#inner)/.test(name) ? { url: bare, format: "module", shortCircuit: true } : next(name, context);
`;
register("data:text/javascript," + encodeURIComponent(hooks), { data: pathToFileURL(root).href + "/" });

const printed = {};
for (const [form, { file, script }] of Object.entries(entries)) {
  const list = (printed[form] = []);
  globalThis.print = (...values) => void list.push(...values.map(String));
  try {
    if (script) {
      const options = { filename: file, importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER };
      await new vm.Script(readFileSync(file, "utf8"), options).runInThisContext();
    } else await import(pathToFileURL(file).href);
    await new Promise(setImmediate);
  } catch (error) {
    list.push(`${error}`);
  }
}
console.log(JSON.stringify(printed));
