// A line to copy.

import { element } from "./dom.js";

// Browsers give pages the clipboard over TLS and on this machine; elsewhere what is selected is
// copied.
async function copy(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    return true;
  } catch {
    const selection = getSelection();
    selection.selectAllChildren(code);
    const copied = document.execCommand("copy");
    if (copied) selection.removeAllRanges();
    return copied;
  }
}

export function copyLine(label, text) {
  const code = element("code", { textContent: text });
  const button = element("button", { textContent: "Copy", className: "small" });
  button.setAttribute("aria-label", `Copy: ${label}`);
  button.addEventListener("click", async () => {
    button.textContent = (await copy(code)) ? "Copied" : "Press Ctrl+C";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  return element("div", { className: "copy" }, element("span", { className: "name", textContent: label }), code, button);
}
