// Elements are made of text and never of markup: what people or files say stays text.

/** Makes an element; attributes that begin with "on" are listeners, `class` and the rest are set as they are. */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "selected") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** A button whose name screen readers say. */
export function button(text, label, onclick, more = {}) {
  return el("button", { type: "button", "aria-label": label, title: label, onclick, ...more }, text);
}

/** A select of [value, text] pairs; `onchange` gets the value and the select. */
export function select(label, options, value, onchange) {
  return el("select", { "aria-label": label, title: label, onchange: (event) => onchange(event.target.value, event.target) },
    options.map(([option, text]) => el("option", { value: option, selected: option === value }, text)));
}

/** A field with its label before it. */
export function field(text, control, more = {}) { return el("label", { class: "field", ...more }, el("span", {}, text), control); }

/** A number as people read it. */
export function short(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  return size === 0 ? "0" : size >= 100 ? value.toFixed(0) : size >= 1 ? value.toFixed(1) : size >= 0.01 ? value.toFixed(2) : value.toExponential(0);
}

export const percent = (share) => share === null || share === undefined ? "–" : `${short(share * 100)} %`;

/** Shows a dialog that goes when it is closed. */
export function dialog(title, ...content) {
  const box = el("dialog", { "aria-label": title },
    el("div", { class: "dialog-head" }, el("h2", {}, title), button("×", "Close", () => box.close(), { class: "close" })), ...content);
  box.addEventListener("close", () => box.remove());
  box.addEventListener("click", (event) => { if (event.target === box) box.close(); });
  document.body.append(box);
  box.showModal();
  return box;
}
