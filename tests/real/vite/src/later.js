import { say } from "./shared.js";
import "./later.css";

export function run() {
  say("later", "what was loaded later runs");
}
