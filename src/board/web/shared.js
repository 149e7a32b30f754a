// What both pages show.

import { ask, confirmed } from "./ask.js";
import { Clock, leftText } from "./clock.js";
import { copyLine } from "./copy.js";
import { byId, element, keepList, part, setText } from "./dom.js";
import { follow } from "./live.js";
import { markdown } from "./markdown.js";
import { showUsers } from "./users.js";

const PHASES = {
  preparing: "Being prepared",
  calm: "All is calm",
  recovering: "Recovering",
  paused: "The clock is paused",
  judging: "Being judged",
  over: "Over",
};
const OUTCOMES = { passed: "Passed", failed: "Failed", errored: "Could not be judged" };
export const STATES = {
  unknown: "not checked yet",
  holds: "holds",
  fails: "does not hold",
  errored: "cannot be checked",
};
const SPEAKERS = { team: "Team", facilitator: "Facilitator", drill: "Drill" };
const CONNECTION = {
  live: "",
  lost: "Connection lost, trying again. What you see is from before.",
  denied: "This link is no longer valid: the board was started again. Ask for the new link.",
  over: "The firedrill is over, and the board is closed. This page stays as it is.",
};

const clock = new Clock();
// When each hint opens, by the page's own time.
const opens = new Map();

// Follows the firedrill: `show` is called with each view.
export function start(show) {
  follow(show, (state) => {
    setText(byId("connection"), CONNECTION[state]);
    byId("connection").dataset.state = state;
  });
  setInterval(() => {
    if (!clock.running) return;
    clock.show();
    for (const [node, at] of opens) showOpening(node, at - performance.now());
  }, 250);
}

// Whether there is somebody to whom something can be said.
export const isAtWork = (phase) => ["calm", "recovering", "paused"].includes(phase);

export function showTeam(team, milliseconds, buys) {
  document.body.dataset.phase = team.phase;
  setText(byId("phase"), PHASES[team.phase]);
  setText(byId("run"), team.run);
  clock.set(milliseconds, team.limit_ms, team.phase === "recovering");
  showUsers(byId("users"), team.users);
  showBrief(team.brief);
  showStanding(team);
  showHints(team, buys);
  showSaid(team.said);
  showReach(team);
  showVerdict(team.verdict);
}

let brief = null;

function showBrief(text) {
  if (text === brief) return;
  brief = text;
  byId("brief").replaceChildren(...markdown(text));
}

function showStanding({ standing, verdict }) {
  const place = byId("standing");
  if (!standing) return setText(place, "");
  const all = standing.held === standing.of;
  setText(place, `${standing.held} of ${standing.of} hold${all || verdict ? "" : ": go on"}`);
  place.classList.toggle("all", all);
}

function showOpening(node, milliseconds) {
  const button = node.querySelector("button");
  if (!button) return setText(part(node, "text"), milliseconds > 0 ? `opens in ${leftText(milliseconds)}` : "not bought");
  button.disabled = milliseconds > 0 || !isAtWork(document.body.dataset.phase);
  setText(button, milliseconds > 0 ? `Opens in ${leftText(milliseconds)}` : "Buy");
}

function makeHint(hint, buys) {
  const points = hint.costs === 1 ? "1 point" : `${hint.costs} points`;
  const head = element("p", { className: "head" }, element("b", { textContent: `Hint ${hint.number}` }), ` · ${points}`);
  const node = element("li", {}, head, element("p", { className: "text" }));
  if (!buys) return node;
  const button = element("button", { className: "small" });
  button.setAttribute("aria-describedby", (head.id = `hint-${hint.number}`));
  button.addEventListener("click", async () => {
    if (await confirmed(`Buy hint ${hint.number}? It costs ${points}.`, "Buy it")) {
      await ask({ ask: "hint", number: hint.number });
    }
  });
  head.append(button);
  return node;
}

function showHints(team, buys) {
  opens.clear();
  keepList(byId("hints"), team.hints, (hint) => hint.number, (hint) => makeHint(hint, buys), (node, hint) => {
    if (hint.text !== null || team.phase === "over") {
      node.querySelector("button")?.remove();
      setText(part(node, "text"), hint.text ?? "not bought");
    } else {
      opens.set(node, performance.now() + hint.opens_in_ms);
      showOpening(node, hint.opens_in_ms);
    }
  });
  byId("hints").parentElement.hidden = team.hints.length === 0;
}

// The newest first.
function showSaid(said) {
  const make = ({ at, by, text }) =>
    element(
      "li",
      { className: by },
      element("span", { className: "when", textContent: at }),
      element("b", { textContent: SPEAKERS[by] }),
      element("span", { className: "text", textContent: text }),
    );
  keepList(byId("said"), said.map((each, at) => ({ ...each, key: at })).reverse(), (each) => each.key, make);
}

function showReach(team) {
  const server = ({ node, psql, shell }) => [
    [`${node}: psql`, psql],
    [`${node}: shell`, shell],
  ];
  const lines = [...team.servers.flatMap(server), ...team.places.map(({ name, text }) => [name, text])];
  keepList(byId("reach"), lines.filter(([, text]) => text), (line) => line.join(" "), ([name, text]) =>
    element("li", {}, copyLine(name, text)),
  );
}

function points(score) {
  const text = String(score.points).replace("-", "−");
  return score.of ? `${text} of ${score.of}` : text;
}

// What holds at the end, and what is missing of the rest.
function checksOf(checks) {
  const item = ({ name, state, said }) => {
    const node = element(
      "li",
      {},
      element("p", { className: "head" }, element("b", { className: "state", textContent: STATES[state] }), element("span", { textContent: name })),
      element("p", { className: "text", textContent: said }),
    );
    node.dataset.state = state;
    return node;
  };
  return element("ul", { className: "plain checked" }, ...checks.map(item));
}

let verdictShown = null;

function showVerdict(verdict) {
  const text = JSON.stringify(verdict);
  if (text === verdictShown) return;
  verdictShown = text;
  const place = byId("verdict");
  place.hidden = !verdict;
  if (!verdict) return;
  place.dataset.outcome = verdict.outcome;
  const cell = (name, textContent) => element(name, { textContent });
  const rows = verdict.score.map((each) => {
    const head = element("th", { textContent: each.name, scope: "row" });
    return element("tr", {}, head, cell("td", each.measured), cell("td", points(each)));
  });
  const heads = ["What", "Measured", "Points"].map((name) => element("th", { textContent: name, scope: "col" }));
  const total = element("tr", {}, element("th", { textContent: "In all", scope: "row" }), cell("td", ""), cell("td", verdict.points));
  place.replaceChildren(
    element("h2", { id: "verdict-title", textContent: OUTCOMES[verdict.outcome] ?? verdict.outcome }),
    element("div", { className: "lines" }, ...verdict.lines.map((line) => cell("p", line)), checksOf(verdict.checks)),
    element("table", {}, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows), element("tfoot", {}, total)),
  );
  if (verdict.debrief) place.append(copyLine("Debrief", verdict.debrief));
}
