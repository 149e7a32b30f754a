// What users see: numbers, errors, and the last two minutes as a picture.

import { drawn, element, keepList, number, part, setAttributes, setText } from "./dom.js";

const SECONDS = 120;
const HEIGHT = 100;
const STEP = 4;

function figure(name, className) {
  const value = element("dd", { className: `value ${className}` });
  return element("div", {}, element("dt", { textContent: name }), value);
}

function make() {
  const chart = drawn("svg", { class: "chart", viewBox: `0 0 ${SECONDS * STEP} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
  chart.append(drawn("path", { class: "acknowledged" }), drawn("path", { class: "refused" }));
  return element(
    "article",
    {},
    element("h3", { className: "id" }),
    element("dl", { className: "figures" }, figure("transactions a second", "per-second"), figure("refused a second", "refusals")),
    element(
      "div",
      { className: "picture" },
      element("span", { className: "peak" }),
      chart,
      element("span", { className: "axis" }, element("span", { textContent: "2 min ago" }), element("span", { textContent: "now" })),
    ),
    element("p", { className: "totals" }),
    element("ul", { className: "plain errors" }),
  );
}

// A bar for each second, those of `from` below it.
function bars(history, peak, value, from) {
  const bar = (each, at) => {
    const height = (value(each) / peak) * (HEIGHT - 4);
    const bottom = HEIGHT - (from(each) / peak) * (HEIGHT - 4);
    const x = (SECONDS - history.length + at) * STEP;
    return height > 0 ? `M${x} ${bottom.toFixed(1)}v${(-height).toFixed(1)}h${STEP - 0.8}v${height.toFixed(1)}z` : "";
  };
  return history.map(bar).join("") || "M0 0";
}

function update(node, users) {
  const refused = users.refused_per_second;
  setText(part(node, "id"), users.id);
  setText(part(node, "per-second"), number(users.per_second));
  setText(part(node, "refusals"), number(refused));
  part(node, "refusals").classList.toggle("bad", refused > 0);
  part(node, "per-second").classList.toggle("bad", users.per_second === 0);
  const history = users.history.slice(-SECONDS);
  const top = Math.max(0, ...history.map(([done, not]) => done + not));
  setText(part(node, "peak"), `${number(top)} a second`);
  const [below, above] = node.querySelectorAll("path");
  setAttributes(below, { d: bars(history, Math.max(1, top), ([done]) => done, () => 0) });
  setAttributes(above, { d: bars(history, Math.max(1, top), ([, not]) => not, ([done]) => done) });
  const now = `now ${number(users.per_second)} done and ${number(refused)} refused a second`;
  setAttributes(node.querySelector("svg"), { "aria-label": `Transactions of ${users.id} in the last two minutes: ${now}` });
  setText(part(node, "totals"), `In all ${number(users.acknowledged)} done, ${number(users.refused)} refused`);
  const error = ([name]) =>
    element("li", {}, element("b", { className: "count" }), " × ", element("code", { textContent: name }));
  keepList(part(node, "errors"), users.errors, ([name]) => name, error, (item, [, count]) =>
    setText(part(item, "count"), number(count)),
  );
}

export function showUsers(place, all) {
  keepList(place, all, (users) => users.id, make, update);
}
