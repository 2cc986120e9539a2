import { say } from "./shared.js";
import picture from "./picture.svg";

say("shop", "the shop runs");
document.getElementById("picture").src = picture;
import("./later.js").then((later) => later.run());
