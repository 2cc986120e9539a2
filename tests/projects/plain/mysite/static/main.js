import { part } from "./part.js";

// The second module is found under its fingerprinted name.
document.title = part("plain");
