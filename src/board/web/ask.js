// What is asked of the firedrill, and what comes of it.

import { byId, element, setText } from "./dom.js";

// How long an answer is shown, in milliseconds.
const SHOWN = 8000;

let timer;

export function tell(ok, text) {
  const place = byId("reply");
  setText(place, text);
  place.classList.toggle("bad", !ok);
  clearTimeout(timer);
  timer = setTimeout(() => setText(place, ""), SHOWN);
}

// Whether it was done.
export async function ask(what) {
  let reply;
  try {
    const response = await fetch("ask", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(what),
    });
    reply = await response.json();
  } catch {
    reply = { ok: false, text: "This did not arrive: there is no connection to the board. Try again." };
  }
  tell(reply.ok, reply.text);
  return reply.ok;
}

// Asks the people first.
export function confirmed(question, yes) {
  const answer = (className, textContent) => element("button", { className, textContent, type: "button" });
  const [go, stay] = [answer("primary", yes), answer("", "No, go back")];
  const text = element("p", { textContent: question, id: "question" });
  const dialog = element("dialog", {}, text, element("div", { className: "buttons" }, stay, go));
  dialog.setAttribute("aria-labelledby", "question");
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    go.addEventListener("click", () => dialog.close("yes"));
    stay.addEventListener("click", () => dialog.close("no"));
  });
}

// A button that asks at once, or after a question.
export function button(id, what, question, yes) {
  byId(id).addEventListener("click", async () => {
    if (!question || (await confirmed(question, yes))) await ask(what);
  });
}

// Lets people use the parts of a page, or not.
export function enable(selectors, enabled) {
  for (const each of document.querySelectorAll(selectors)) each.disabled = !enabled;
}

// A line of text that is sent. What did not arrive stays in the line.
export function line(id, kind) {
  const form = byId(id);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const input = form.querySelector("input");
    const text = input.value;
    if ((await ask({ ask: kind, text })) && input.value === text) input.value = "";
  });
}
