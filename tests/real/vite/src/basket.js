import { say } from "./shared.js";

say("basket", "the basket runs");
