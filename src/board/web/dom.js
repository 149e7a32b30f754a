// Nodes, made and kept up to date. Text goes in as text, and never as markup.

export const byId = (id) => document.getElementById(id);

export function element(name, properties = {}, ...children) {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
}

// An element of a picture.
export function drawn(name, attributes = {}) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  setAttributes(node, attributes);
  return node;
}

export function setAttributes(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
  }
}

// What has not changed is left alone: a selection stays, and no screen reader says it again.
export function setText(node, text) {
  if (node.textContent !== String(text)) node.textContent = text;
}

// The part of a node that has this class.
export const part = (node, name) => node.getElementsByClassName(name)[0];

// One child for each item. Those that stay are the same nodes as before, with the focus they have.
export function keepList(parent, items, key, make, update = () => {}) {
  const wanted = new Set(items.map((item) => String(key(item))));
  for (const node of [...parent.children]) if (!wanted.has(node.dataset.key)) node.remove();
  const known = new Map([...parent.children].map((node) => [node.dataset.key, node]));
  let next = parent.firstElementChild;
  for (const item of items) {
    let node = known.get(String(key(item)));
    if (!node) {
      node = make(item);
      node.dataset.key = key(item);
    }
    update(node, item);
    if (node === next) next = next.nextElementSibling;
    else parent.insertBefore(node, next);
  }
}

const grouped = new Intl.NumberFormat("en");

export const number = (value) => grouped.format(value);
