// The team's page.

import { button, enable, line } from "./ask.js";
import { byId } from "./dom.js";
import { isAtWork, showTeam, start } from "./shared.js";

button("seen", { ask: "seen" });
button("done", { ask: "done" });
button("give-up", { ask: "give_up" }, "Give up? The firedrill ends, and is judged as it stands.", "Give up");
line("note", "note");

start((team) => {
  showTeam(team, team.clock_ms, true);
  document.title = `${byId("phase").textContent} – Firedrill`;
  enable("#seen, #done, #give-up", isAtWork(team.phase));
  enable("#note input, #note button", team.phase !== "over");
});
