/**
 * The delivery inspector: reads how this page's own files travelled and shows it.
 *
 * Strategy: the table of the index, which the server wrote, says which files there are and how long each coding of
 * them is; the browser's timings say which of these came, and by which way.
 */
import { askCoding, keyOf, reading, refetch, totals, watch } from "./timing.js";
import { Panel, showPage } from "./panel.js";

const files = [{ key: keyOf(location.href), name: "this page", lengths: {} }, ...listed(document.getElementById("tree"))];
const lengths = new Map(files.map((file) => [file.key, file.lengths]));
const readings = new Map();
let since = 0;
const panel = new Panel(document.getElementById("visit"), files);

/** Return what the table of the index lists. */
function listed(table) {
  return [...table.querySelectorAll("[data-url]")].map((row) => ({
    key: keyOf(row.dataset.url),
    name: row.dataset.name,
    lengths: lengthsOf(row),
  }));
}

function lengthsOf(row) {
  const cells = [...row.querySelectorAll("data[data-coding]")].filter((cell) => Number(cell.value));
  return Object.fromEntries(cells.map((cell) => [cell.dataset.coding, Number(cell.value)]));
}

/** Keep the first reading of each file since `since`: a later one is the page using again what it has in memory. */
function take(entries) {
  const fresh = entries.map((entry) => [keyOf(entry.name), entry]).filter(([key, entry]) => isWanted(key, entry));
  for (const [key, entry] of fresh) readings.set(key, reading(entry, lengths.get(key)));
  if (fresh.length) panel.show(readings, totals([...readings.values()]));
  if (fresh.some(([, entry]) => entry.entryType === "navigation")) describePage(readings.get(files[0].key));
}

async function describePage(one) {
  if (one.coding === "compressed") {
    one.coding = await askCoding(files[0].key);
    panel.show(readings, totals([...readings.values()]));
  }
  showPage(document.getElementById("page"), one);
}

function isWanted(key, entry) {
  return lengths.has(key) && !readings.has(key) && entry.startTime >= since;
}

async function measureAfresh(button) {
  button.disabled = true;
  readings.clear();
  since = performance.now();
  panel.clear("Fetching every file past the cache…");
  try {
    await refetch(files.map((file) => file.key));
  } catch (error) {
    panel.say(`It could not be measured: ${error.message}`);
  } finally {
    button.disabled = false;
  }
}

async function copyCommands(button) {
  const commands = document.getElementById("commands");
  try {
    await navigator.clipboard.writeText(commands.textContent); // rejects without HTTPS, but on localhost
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(commands);
    button.textContent = "Selected";
  }
  document.getElementById("copied").textContent = button.textContent;
}

document.getElementById("built").hidden = true;
document.getElementById("visit").hidden = false;
document.getElementById("again").addEventListener("click", () => location.reload());
document.getElementById("afresh").addEventListener("click", (event) => measureAfresh(event.currentTarget));
document.getElementById("anew").addEventListener("click", () => location.replace(`?${Date.now()}`));
document.getElementById("copy").addEventListener("click", (event) => copyCommands(event.currentTarget));
document.getElementById("copy").hidden = false;
watch(take);
