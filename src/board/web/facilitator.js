// The facilitator's page.

import { ask, button, confirmed, enable, line } from "./ask.js";
import { copyLine } from "./copy.js";
import { byId, element, keepList, part, setText } from "./dom.js";
import { STATES, isAtWork, showTeam, start } from "./shared.js";

button("pause", { ask: "pause" });
button("resume", { ask: "resume" });
button("judge", { ask: "judge" });
button("end", { ask: "end" }, "End the firedrill? It is judged as it stands.", "End it");
line("say", "say");

// A proxy may have put something before the folders of the pages.
const teamsLink = new URL(`../team/${document.body.dataset.team}`, location.href).href;
byId("reach").before(copyLine("The team's board", teamsLink));

function showChecks(checks) {
  const make = ({ name, place: at }) =>
    element(
      "li",
      {},
      element("p", { className: "head" }, element("b", { className: "state" }), element("span", { textContent: name })),
      element("p", { className: "soft", textContent: at }),
      element("p", { className: "text" }),
    );
  const key = ({ name, place: at }) => `${at} ${name}`;
  keepList(byId("checks"), checks, key, make, (node, { state, said }) => {
    node.dataset.state = state;
    setText(part(node, "state"), STATES[state]);
    setText(part(node, "text"), said);
  });
}

function makeInject({ number, text }) {
  const send = element("button", { className: "small", textContent: "Send now" });
  send.setAttribute("aria-describedby", `inject-${number}`);
  send.addEventListener("click", async () => {
    if (await confirmed(`Send this now? ${text}`, "Send it")) await ask({ ask: "inject", number });
  });
  return element(
    "li",
    {},
    element("p", { className: "head" }, element("span", { className: "soft comes" }), send),
    element("p", { id: `inject-${number}`, textContent: text }),
  );
}

function showInjects(injects, atWork) {
  keepList(byId("injects"), injects, ({ number }) => number, makeInject, (node, { came, comes }) => {
    setText(part(node, "comes"), came ? `came ${came}` : comes || "by hand");
    const send = node.querySelector("button");
    if (came) send?.remove();
    else send.disabled = !atWork;
  });
}

function showTraps(traps) {
  const make = ({ name, costs }) =>
    element(
      "li",
      {},
      element("p", { className: "head" }, element("b", { textContent: name }), element("span", { className: "soft", textContent: `costs ${costs}` })),
      element("p", { className: "text" }),
    );
  keepList(byId("traps"), traps, ({ name }) => name, make, (node, { sprung }) => {
    node.classList.toggle("bad", Boolean(sprung));
    setText(part(node, "text"), sprung ?? "has not happened");
  });
}

function showMarks(marks) {
  const make = ({ id, lsn, at }) =>
    element("li", {}, element("b", { textContent: id }), element("code", { textContent: lsn }), element("span", { className: "soft", textContent: at }));
  keepList(byId("marks"), marks, ({ id, lsn }) => `${id} ${lsn}`, make);
}

// The newest first. Those that are the same are told apart by how many there are.
function showRan(ran) {
  const counts = new Map();
  const numbered = ran.map((each) => {
    const text = [each.at, each.node, each.by, each.text].join("\n");
    counts.set(text, (counts.get(text) ?? 0) + 1);
    return { ...each, key: `${text}\n${counts.get(text)}` };
  });
  const make = ({ at, node, by, text }) =>
    element(
      "li",
      {},
      element("span", { className: "when", textContent: at }),
      element("b", { textContent: node }),
      element("span", { className: "soft", textContent: by }),
      element("code", { className: "text", textContent: text }),
    );
  keepList(byId("ran"), numbered.reverse(), ({ key }) => key, make);
}

start((view) => {
  const { team } = view;
  const atWork = isAtWork(team.phase);
  showTeam(team, view.clock_ms, false);
  document.title = `${byId("phase").textContent} – Firedrill, facilitator`;
  setText(byId("drill"), view.drill || "Firedrill");
  setText(byId("about"), view.about);
  setText(byId("file"), view.file);
  setText(byId("seed"), view.seed);
  const { incident } = view;
  setText(byId("incident"), incident ? `${incident.at}: ${incident.name} (${incident.place})` : "Nothing yet");
  byId("incident").classList.toggle("bad", Boolean(incident));
  showMarks(view.marks);
  showChecks(view.checks);
  showInjects(view.injects, atWork);
  showTraps(view.traps);
  showRan(view.ran);
  byId("pause").hidden = team.phase === "paused";
  byId("resume").hidden = team.phase !== "paused";
  enable("#pause", team.phase === "recovering");
  enable("#judge", atWork);
  enable("#end", !["judging", "over"].includes(team.phase));
  enable("#say input, #say button", team.phase !== "over");
});
