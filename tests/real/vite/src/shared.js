import "./shared.css";

globalThis.evaluated = (globalThis.evaluated ?? 0) + 1;

export function say(id, text) {
  document.getElementById(id).textContent = text;
}
