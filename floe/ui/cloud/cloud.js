// The cloud panel: what it says of an endpoint, and how it opens and closes.
"use strict";

floe.setCloud = (open) => {
  document.documentElement.classList.toggle("cloud-open", open);
  const opener = document.getElementById("open-cloud");
  opener?.setAttribute("aria-expanded", String(open));
  if (open) floe.find("#panelHead button")?.focus({ preventScroll: true });
  else opener?.focus();
};

floe.toggleCloud = () => {
  floe.setCloud(!document.documentElement.classList.contains("cloud-open"));
};

document.addEventListener("keydown", (event) => {
  const elsewhere = event.target !== document.body && !floe.closest(event, "#panel");
  const listIsOpen = floe.closest(event, "*")?.getAttribute("aria-expanded") === "true";
  if (event.key !== "Escape" || elsewhere || listIsOpen) return;
  if (document.documentElement.classList.contains("cloud-open")) floe.setCloud(false);
});

floe.panelHead = ({ element }) => {
  element.append(
    floe.el("h1", {}, "Cloud"),
    floe.button("close", "Close", () => floe.setCloud(false)),
  );
};

/**
 * Draws again only what has changed: a list that is being read must not be replaced. What was read
 * before what is shown came late, and is left out: presses are answered side by side.
 */
floe.onChange = ({ element, props, watch }, draw) => {
  /** @type {string | null} */
  let drawn = null;
  let newest = 0;
  // Until it is known what there is, buttons for what there is not are no good to anybody.
  element.classList.add("undrawn");
  const refresh = () => {
    if (!props.value) return;
    /** @type {{ sequence?: number }} */
    const { sequence = newest, ...value } = props.value;
    if (sequence < newest) return;
    newest = sequence;
    const now = JSON.stringify(value);
    if (now === drawn) return;
    drawn = now;
    draw(props.value);
    element.classList.remove("undrawn");
  };
  watch("value", refresh);
  refresh();
};

/**
 * Draws rows as lines of a list and leaves alone those that have not changed: the person may be
 * typing there, or have pressed what the answer to something else does not know of yet.
 */
floe.lines = (list, line) => {
  /** @type {Map<string, HTMLElement>} */
  let drawn = new Map();
  return (rows) => {
    const kept = drawn;
    drawn = new Map(
      rows.map((row) => {
        const text = JSON.stringify(row);
        return [text, kept.get(text) ?? line(row)];
      }),
    );
    for (const [text, node] of kept) if (!drawn.has(text)) node.remove();
    let next = list.firstElementChild;
    for (const node of drawn.values()) {
      if (node === next) next = node.nextElementSibling;
      else list.insertBefore(node, next);
    }
  };
};

floe.hint = (part) => {
  floe.onChange(part, ({ note, link }) => {
    /** @type {Child[]} */
    const children = [note];
    if (link) {
      const anchor = { href: link, target: "_blank", rel: "noopener noreferrer" };
      children.push(" ", floe.el("a", anchor, `Get a key at ${new URL(link).hostname}`));
    }
    part.element.replaceChildren(floe.el("p", {}, ...children));
  });
};

floe.where = ({ element, props, watch }) => {
  const draw = () => {
    element.replaceChildren(props.value ? floe.el("p", {}, props.value) : "");
  };
  watch("value", draw);
  draw();
};

floe.marks = {
  good: ["tick", "Works"],
  limited: ["wave", "Limited"],
  impossible: ["close", "Not possible"],
};

floe.findings = (findings) =>
  floe.el(
    "ul",
    { className: "findings" },
    ...findings.map(([mark, sentence]) => {
      const [icon, name] = floe.marks[mark];
      const sign = floe.el(
        "span",
        { className: "mark", role: "img", title: name },
        floe.icon(icon),
      );
      sign.setAttribute("aria-label", name);
      return floe.el("li", { className: mark }, sign, floe.el("span", {}, sentence));
    }),
  );

floe.trial = (part) => {
  part.element.setAttribute("role", "status");
  floe.onChange(part, ({ title, running, lines, findings }) => {
    const steps = lines.map((line, number) =>
      floe.el("li", { className: running && number === lines.length - 1 ? "now" : "" }, line),
    );
    part.element.replaceChildren(
      ...(title ? [floe.el("h3", {}, title)] : []),
      ...(steps.length ? [floe.el("ol", { className: "steps" }, ...steps)] : []),
      ...(findings.length ? [floe.findings(findings)] : []),
    );
  });
};

floe.inUse = (part) => {
  const state = floe.el("span");
  const line = floe.el("p", { className: "state" }, floe.el("i", { className: "dot" }), state);
  const tested = floe.el("p", { className: "tested" });
  const count = floe.el("summary", {}, "What its test found");
  const found = floe.el("details", {}, count);
  const lasts = floe.el("p", { className: "lasts" });
  part.element.append(line, tested, found, lasts);
  floe.onChange(part, (value) => {
    state.textContent = value.sentence;
    line.classList.toggle("usable", value.usable);
    tested.textContent = value.tested;
    lasts.textContent = value.lasts;
    found.hidden = !value.findings.length;
    found.replaceChildren(count, floe.findings(value.findings));
  });
};
