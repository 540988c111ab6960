// What all parts share: building elements from text, the drawer, light and dark, the keyboard.
"use strict";

const floe = /** @type {Floe} */ ({});

/** Whether a frame is asked for by gradio's count of the time for which something is loaded. */
floe.isLoadingClock = (callback) =>
  /^\(\) ?=> ?\{.{0,9}\(performance\.now\(\) ?-/.test(`${callback}`);

// That count goes on when the sign of loading, which alone shows it, has long gone: at rest, too,
// the browser would draw the page sixty times a second.
{
  const draw = window.requestAnimationFrame;
  window.requestAnimationFrame = (callback) =>
    floe.isLoadingClock(callback) ? 0 : draw.call(window, callback);
}

/** An element; names with a dash and `role` are attributes, others properties; text never HTML. */
floe.el = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.includes("-") || name === "role") node.setAttribute(name, String(value));
    else Object.assign(node, { [name]: value });
  }
  node.append(...children);
  return node;
};

floe.find = (selector, within = document) => within.querySelector(selector);

floe.closest = (event, selector) =>
  event.target instanceof Element ? event.target.closest(selector) : null;

/** A button with an icon; its name is what a screen reader says and the tooltip shows. */
floe.button = (icon, name, onclick, className = "") => {
  const node = floe.el("button", { type: "button", title: name, className, onclick });
  node.setAttribute("aria-label", name);
  node.append(floe.icon(icon));
  return node;
};

floe.icon = (name) => {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", floe.icons[name]);
  svg.append(path);
  return svg;
};

floe.icons = {
  menu: "M4 6h16M4 12h16M4 18h16",
  plus: "M12 5v14M5 12h14",
  pencil: "M4 20h4L19 9l-4-4L4 16v4z",
  bin: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  pin: "M9 4h6l-1 6 3 3H7l3-3zM12 13v7",
  archive: "M4 5h16v4H4zM5 9v10h14V9M10 13h4",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  folder: "M3 6h7l2 2h9v11H3z",
  columns: "M4 5h6v14H4zM14 5h6v14h-6z",
  gear:
    "M12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM12 3v3M12 18v3M3 12h3M18 12h3" +
    "M5.6 5.6l2.2 2.2M16.2 16.2l2.2 2.2M5.6 18.4l2.2-2.2M16.2 7.8l2.2-2.2",
  again: "M20 11a8 8 0 1 0-2 6M20 4v7h-7",
  onward: "M4 5l8 7-8 7zM13 5l8 7-8 7z",
  left: "M14 6l-6 6 6 6",
  right: "M10 6l6 6-6 6",
  down: "M6 10l6 6 6-6",
  tick: "M5 13l4 4L19 7",
  half: "M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18",
  tokens: "M4 7h6v4H4zM12 7h8v4h-8zM4 14h9v4H4zM15 14h5v4h-5z",
  wave: "M4 13c3-5 5-5 8-1s5 4 8-1",
  sliders: "M4 8h9M17 8h3M4 16h3M11 16h9M15 6v4M9 14v4",
  close: "M6 6l12 12M18 6L6 18",
  chat: "M5 5h14v11h-8l-4 4v-4H5z",
  person: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM5 20c1-4 4-5 7-5s6 1 7 5",
  shield: "M12 3l8 3v6c0 5-4 8-8 9-4-1-8-4-8-9V6z",
  nodes:
    "M12 8a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM5.5 20a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z" +
    "M18.5 20a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM11 8l-4 7M13 8l4 7M8 17.5h8",
  like: "M7 11v9H4v-9zM7 11l4-8c2 0 2.5 1.5 2 3l-1 4h6c1.5 0 2 1 1.7 2.2l-1.6 6C17.9 19.2 17 20 16 20H7",
  dislike:
    "M7 13V4H4v9zM7 13l4 8c2 0 2.5-1.5 2-3l-1-4h6c1.5 0 2-1 1.7-2.2l-1.6-6C17.9 4.8 17 4 16 4H7",
  lock: "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3",
  mask: "M3 8c6-2 12-2 18 0 0 6-2 9-5 9-2 0-2-2-4-2s-2 2-4 2c-3 0-5-3-5-9zM7 11.5h3M14 11.5h3",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  save: "M12 4v11M7 11l5 5 5-5M5 20h14",
  load: "M12 16V5M7 9l5-5 5 5M5 20h14",
  chip: "M7 7h10v10H7zM10 3v4M14 3v4M10 17v4M14 17v4M3 10h4M3 14h4M17 10h4M17 14h4",
  pause: "M8 5v14M16 5v14",
  chevron: "M9 6l6 6-6 6",
  clip: "M20 11l-8.5 8.5a5 5 0 0 1-7-7L13 4a3.4 3.4 0 0 1 5 5l-8.5 8.5a1.7 1.7 0 0 1-2.5-2.5L14.5 7.5",
  page: "M6 3h8l4 4v14H6zM14 3v4h4M9 12h6M9 16h6",
};

floe.remember = (key, value) => {
  if (value === null) localStorage.removeItem(`floe.${key}`);
  else localStorage.setItem(`floe.${key}`, value);
};

floe.recall = (key) => {
  return localStorage.getItem(`floe.${key}`);
};

/** A sentence above the controls, until the next action. */
floe.notice = ({ element, props, watch }) => {
  const draw = () => {
    element.replaceChildren(props.value ? floe.el("p", {}, props.value) : "");
  };
  element.setAttribute("role", "alert");
  watch("value", draw);
  draw();
};

// Light and dark: as the system has it, until the person chooses the other one.

floe.systemDark = matchMedia("(prefers-color-scheme: dark)");

floe.applyTheme = () => {
  const chosen = floe.recall("theme");
  document.body.classList.toggle("dark", chosen ? chosen === "dark" : floe.systemDark.matches);
};

floe.chooseTheme = (theme) => {
  floe.remember("theme", theme === "system" ? null : theme);
  floe.applyTheme();
  document.dispatchEvent(new Event("floe:theme"));
};

floe.switchTheme = () => {
  const dark = !document.body.classList.contains("dark");
  floe.chooseTheme(dark === floe.systemDark.matches ? "system" : dark ? "dark" : "light");
};

// The conversation list: beside the chat where there is room, over it where there is none.

floe.narrow = matchMedia("(max-width: 860px)");

floe.setDrawer = (open) => {
  document.documentElement.classList.toggle("drawer-open", open);
  document.getElementById("open-drawer")?.setAttribute("aria-expanded", String(open));
};

floe.toggleDrawer = () => {
  const open = !document.documentElement.classList.contains("drawer-open");
  floe.setDrawer(open);
  if (!floe.narrow.matches) floe.remember("drawer", open ? null : "closed");
};

floe.setDrawer(!floe.narrow.matches && floe.recall("drawer") !== "closed");

floe.startTheme = () => {
  floe.applyTheme();
  // Gradio sets its own idea of the theme when it has loaded.
  new MutationObserver(() => {
    const chosen = floe.recall("theme");
    const dark = chosen ? chosen === "dark" : floe.systemDark.matches;
    if (document.body.classList.contains("dark") !== dark) floe.applyTheme();
  }).observe(document.body, { attributes: true, attributeFilter: ["class"] });
};

// Gradio puts these scripts into the page before or after its body is there.
if (document.body) floe.startTheme();
else document.addEventListener("DOMContentLoaded", floe.startTheme);

floe.systemDark.addEventListener("change", floe.applyTheme);
floe.fitWidth = () => document.documentElement.classList.toggle("narrow", floe.narrow.matches);
floe.fitWidth();

floe.narrow.addEventListener("change", () => {
  floe.fitWidth();
  floe.setDrawer(!floe.narrow.matches);
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && floe.narrow.matches) floe.setDrawer(false);
});

document.addEventListener("pointerdown", (event) => {
  const outside = !floe.closest(event, "#drawer, #open-drawer");
  if (floe.narrow.matches && outside) floe.setDrawer(false);
});

// Enter that ends an input method's composition (Chinese, Japanese, Korean) is not a send.
document.addEventListener(
  "keydown",
  (event) => {
    if (event.isComposing && event.key === "Enter") event.stopPropagation();
  },
  true,
);
