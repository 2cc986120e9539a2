/**
 * What the browser measured, as readings.
 *
 * Rule: a reading says only what Resource Timing says, or what follows of necessity; where the coding is worked out
 * instead of reported, the reading is marked as deduced.
 */

/** A response head counts in transferSize as this many bytes, whatever its length (Resource Timing, transferSize). */
const NOMINAL_HEAD = 300;

/** Return what a file is known by: its absolute URL without a fragment. */
export function keyOf(url) {
  const key = new URL(url, document.baseURI);
  key.hash = "";
  return key.href;
}

/** Call `report` with the entries of everything that was loaded, and of all that follows. */
export function watch(report) {
  for (const type of ["navigation", "resource"]) {
    const observer = new PerformanceObserver((list) => report(list.getEntries()));
    observer.observe({ type, buffered: true });
  }
}

/** Fetch `urls` past the cache, bodies included, so that new entries are recorded. Rejects when one fails. */
export async function refetch(urls) {
  performance.clearResourceTimings();
  await Promise.all(urls.map(fetchWhole));
}

/** Ask the server for the coding of a response, for browsers that do not report it. */
export async function askCoding(url) {
  const response = await fetch(url, { method: "HEAD", cache: "no-store" });
  return response.headers.get("content-encoding") ?? "identity";
}

async function fetchWhole(url) {
  const response = await fetch(url, { cache: "reload" });
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  await response.arrayBuffer();
}

/**
 * Return the reading of one entry.
 *
 * `lengths` maps content codings to the bytes that the index has for the file; empty for the document. `spared` is what
 * a delta saved, against the smallest of them.
 */
export function reading(entry, lengths) {
  const delivery = deliveryOf(entry);
  const coding = codingOf(entry, lengths);
  const isDelta = coding.coding === "dcz" && delivery === "network" && Object.keys(lengths).length;
  return {
    delivery,
    ...coding,
    sent: delivery === "network" ? entry.encodedBodySize : 0,
    spared: isDelta ? Math.max(Math.min(...Object.values(lengths)) - entry.encodedBodySize, 0) : 0,
    encoded: entry.encodedBodySize,
    decoded: entry.decodedBodySize,
    start: entry.startTime,
    end: entry.responseEnd,
  };
}

/**
 * Tell where a body came out of: nothing sent means the cache; a head alone means that the cached body was confirmed
 * (304); sizes of zero mean that another host keeps them to itself (no Timing-Allow-Origin).
 */
function deliveryOf(entry) {
  if (!entry.decodedBodySize) return "unshared";
  if (entry.transferSize === 0) return "cache";
  return entry.transferSize <= NOMINAL_HEAD ? "revalidated" : "network";
}

/** Name the content coding. Browsers without `contentEncoding` leave the lengths to compare with the index. */
function codingOf(entry, lengths) {
  if (entry.contentEncoding) return { coding: entry.contentEncoding, deduced: false };
  if (!entry.decodedBodySize) return { coding: "unknown", deduced: false };
  if (entry.encodedBodySize === entry.decodedBodySize) return { coding: "identity", deduced: false };
  const matches = Object.keys(lengths).filter((coding) => lengths[coding] === entry.encodedBodySize);
  if (matches.length === 1) return { coding: matches[0], deduced: true };
  return { coding: "compressed", deduced: false };
}

/** Add readings up: `decoded` = `sent` + `cached` (spared by the cache) + `coded` (removed by compression). */
export function totals(readings) {
  const sum = (amount) => readings.reduce((total, one) => total + amount(one), 0);
  return {
    files: readings.length,
    kept: readings.filter((one) => one.delivery === "cache" || one.delivery === "revalidated").length,
    decoded: sum((one) => one.decoded),
    sent: sum((one) => one.sent),
    delta: sum((one) => (one.spared ? one.sent : 0)),
    spared: sum((one) => one.spared),
    cached: sum((one) => one.encoded - one.sent),
    coded: sum((one) => one.decoded - one.encoded),
    elapsed: Math.max(...readings.map((one) => one.end)) - Math.min(...readings.map((one) => one.start)),
  };
}
