// The small part of Markdown that a brief is written in: headings, lists, code, emphasis. It makes
// nodes, so that nothing in a brief can be more than text.

import { element } from "./dom.js";

const INLINE = /`([^`]+)`|\*\*([^*]+)\*\*|__([^_]+)__|\*([^*\s][^*]*)\*|\b_([^_\s][^_]*)_\b/g;

function inline(text) {
  const nodes = [];
  let end = 0;
  for (const match of text.matchAll(INLINE)) {
    nodes.push(text.slice(end, match.index));
    end = match.index + match[0].length;
    const [, code, strong, strong2, soft, soft2] = match;
    if (code) nodes.push(element("code", { textContent: code }));
    else if (strong ?? strong2) nodes.push(element("strong", {}, ...inline(strong ?? strong2)));
    else nodes.push(element("em", {}, ...inline(soft ?? soft2)));
  }
  nodes.push(text.slice(end));
  return nodes;
}

const ITEM = /^\s*([-*+]|\d+[.)])\s+(.*)$/;
const HEADING = /^(#{1,6})\s+(.*?)\s*#*$/;
const FENCE = /^\s*(```|~~~)/;

// A list from its lines; a line that is no item goes on with the one before it.
function list(lines) {
  const node = element(/^\s*\d/.test(lines[0]) ? "ol" : "ul");
  let item = "";
  const flush = () => item && node.append(element("li", {}, ...inline(item)));
  for (const line of lines) {
    const match = line.match(ITEM);
    if (match) {
      flush();
      item = match[2];
    } else {
      item += ` ${line.trim()}`;
    }
  }
  flush();
  return node;
}

export function markdown(text) {
  const lines = text.replaceAll("\r", "").split("\n");
  const nodes = [];
  const startsBlock = (line) => !line.trim() || HEADING.test(line) || FENCE.test(line);
  for (let at = 0; at < lines.length; ) {
    const line = lines[at];
    const heading = line.match(HEADING);
    if (!line.trim()) {
      at += 1;
    } else if (heading) {
      // The page has h1 and h2 of its own.
      nodes.push(element(`h${Math.min(6, heading[1].length + 2)}`, {}, ...inline(heading[2])));
      at += 1;
    } else if (FENCE.test(line)) {
      const from = at + 1;
      do at += 1;
      while (at < lines.length && !FENCE.test(lines[at]));
      const code = element("code", { textContent: lines.slice(from, at).join("\n") });
      const block = element("pre", { tabIndex: 0 }, code);
      nodes.push(block);
      at += 1;
    } else {
      const isList = ITEM.test(line);
      const from = at;
      do at += 1;
      while (at < lines.length && !startsBlock(lines[at]) && (isList || !ITEM.test(lines[at])));
      const block = lines.slice(from, at);
      nodes.push(isList ? list(block) : element("p", {}, ...inline(block.map((each) => each.trim()).join(" "))));
    }
  }
  return nodes;
}
