/**
 * The panel of this visit: readings in, text and widths of bars out.
 *
 * Rule: the markup is the template's. Here are only text, `hidden`, data attributes and SVG geometry, so that a
 * Content-Security-Policy without inline styles holds.
 */

const SVG = "http://www.w3.org/2000/svg";
/** Pixels that one figure of the ruler needs, and the share of the ruler beyond which it would run over the end. */
const FIGURE_WIDTH = 64;
const LAST_FIGURE = 0.93;

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });

const DELIVERIES = {
  network: "network",
  cache: "cache",
  revalidated: "cache, after a 304",
  unshared: "not shared",
};

const DEDUCTION =
  "* This browser does not report codings: this one follows from the length, which no other coding of the file has.";

export class Panel {
  /** `files` lists what gets a row, in order: `{key, name}`. */
  constructor(root, files) {
    this.root = root;
    this.total = 0;
    const template = root.querySelector("template").content;
    this.rows = new Map(files.map(({ key, name }) => [key, newRow(template, name)]));
    root.querySelector("[data-rows]").append(...this.rows.values());
    const scale = root.querySelector("[data-scale]");
    new ResizeObserver(() => drawScale(scale, this.total)).observe(scale);
  }

  /** Forget all readings; `summary` says what goes on instead. */
  clear(summary) {
    for (const row of this.rows.values()) clearRow(row);
    this.say(summary);
  }

  /** Show `readings` (by key) and their `totals`. */
  show(readings, totals) {
    const largest = Math.max(...[...readings.values()].map((one) => one.decoded), 1);
    for (const [key, one] of readings) fillRow(this.rows.get(key), one, largest);
    this.fill(totals);
    this.stack(totals);
    this.say(sentence(totals));
    const deduced = [...readings.values()].some((one) => one.deduced);
    write(this.root, "deduction", deduced ? DEDUCTION : "");
  }

  say(text) {
    const summary = this.root.querySelector("#summary");
    if (summary.textContent !== text) summary.textContent = text;
  }

  fill(totals) {
    write(this.root, "total-kb-sent", tenth.format(totals.sent / 1000));
    write(this.root, "total-kb-decoded", tenth.format(totals.decoded / 1000));
    this.root.querySelector("#deltas").hidden = !totals.spared;
    for (const name of ["kept", "files", "elapsed", "sent", "decoded", "cached", "coded", "delta", "spared"]) {
      write(this.root, `total-${name}`, whole.format(totals[name]));
    }
  }

  stack(totals) {
    const ledger = this.root.querySelector(".ledger");
    widen(ledger, "wire", totals.sent, totals.decoded);
    widen(ledger, "cached", totals.sent + totals.cached, totals.decoded);
    this.total = totals.decoded;
    drawScale(ledger.querySelector("[data-scale]"), this.total);
  }
}

/** Show how the page itself came, in its own panel. */
export function showPage(root, one) {
  const hasDictionary = Boolean(root.querySelector("#dictionary"));
  write(root, "page-coding", one.coding);
  write(root, "page-sent", whole.format(one.sent));
  write(root, "page-decoded", whole.format(one.decoded));
  write(root, "page-dictionary", describeDictionary(one, hasDictionary));
  write(root, "page-summary", describeDelivery(one, hasDictionary));
  for (const id of ["page-readings", "page-summary", "anew"]) root.querySelector(`#${id}`).hidden = false;
}

function describeDictionary(one, hasDictionary) {
  if (one.delivery !== "network") return "not needed";
  if (one.coding === "dcz") return "used";
  return hasDictionary ? "not used" : "none";
}

/** Put into words how the page came, and what comes next. */
function describeDelivery(one, hasDictionary) {
  if (one.delivery === "revalidated") {
    return `Not sent: Django answered 304, so this is the browser’s copy, which came with the coding ${one.coding}.`;
  }
  if (one.delivery === "cache") return "Not sent: this is the browser’s own copy.";
  if (one.coding === "dcz") return "The browser had the dictionary, so only the difference to it was sent.";
  const next = hasDictionary ? " Once the browser has the dictionary, “Open it anew” brings the difference alone." : "";
  return `The browser used no dictionary.${next}`;
}

function newRow(template, name) {
  const row = template.firstElementChild.cloneNode(true);
  write(row, "name", name);
  return row;
}

function clearRow(row) {
  row.removeAttribute("data-delivery");
  for (const field of ["coding", "sent", "decoded", "duration"]) write(row, field, "—");
  write(row, "delivery", "waiting");
  for (const bar of ["wire", "cached", "decoded"]) widen(row, bar, 0, 1);
}

function fillRow(row, one, largest) {
  row.dataset.delivery = one.delivery;
  row.querySelector(".chip").dataset.coding = one.coding;
  write(row, "coding", one.deduced ? `${one.coding} *` : one.coding);
  write(row, "delivery", DELIVERIES[one.delivery]);
  write(row, "sent", whole.format(one.sent));
  write(row, "decoded", whole.format(one.decoded));
  write(row, "duration", `${tenth.format(one.end - one.start)} ms`);
  widen(row, "decoded", one.decoded, largest);
  widen(row, "cached", one.encoded, largest);
  widen(row, "wire", one.sent, largest);
}

/** Put the totals into one sentence, for those who hear the page as well. */
function sentence(totals) {
  const cost = `Uncompressed and without a cache, this page would cost ${whole.format(totals.decoded)} bytes`;
  const share = tenth.format((100 * totals.sent) / Math.max(totals.decoded, 1));
  return totals.sent ? `${cost}; ${whole.format(totals.sent)} were sent, ${share}\u00a0% of that.` : `${cost}; none were sent.`;
}

function write(root, field, text) {
  for (const node of root.querySelectorAll(`[data-field="${field}"]`)) node.textContent = text;
}

function widen(root, bar, amount, total) {
  const share = total ? (100 * amount) / total : 0;
  root.querySelector(`[data-bar="${bar}"]`).setAttribute("width", `${share.toFixed(3)}%`);
}

/** Draw a ruler of bytes: a figure at every step of 1, 2 or 5 times a power of ten, and four ticks between two. */
function drawScale(svg, total) {
  if (!total) return;
  const step = stepOf((total * FIGURE_WIDTH) / Math.max(svg.clientWidth, FIGURE_WIDTH));
  const marks = Array.from({ length: Math.floor((5 * total) / step) + 1 }, (_, count) => (count * step) / 5);
  svg.replaceChildren(...marks.flatMap((at, count) => mark(at, total, count % 5 === 0)));
}

function stepOf(least) {
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1)));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least);
}

function mark(at, total, figured) {
  const x = `${((100 * at) / total).toFixed(3)}%`;
  const tick = shape("line", { x1: x, x2: x, y1: 0, y2: figured ? 8 : 4 });
  if (!figured || at / total > LAST_FIGURE) return [tick];
  const figure = shape("text", { x, y: 21, "text-anchor": at ? "middle" : "start" });
  figure.textContent = at ? `${whole.format(at / 1000)} kB` : "0";
  return [tick, figure];
}

function shape(name, attributes) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}
