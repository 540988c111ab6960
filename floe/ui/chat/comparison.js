// One question answered side by side: how it is asked, and the answers in columns.
"use strict";

/** Beside the box: what the answers to its text differ in. */
floe.compare = ({ element, trigger }) => {
  const number = (/** @type {string} */ label, /** @type {string} */ value) => {
    const input = floe.el("input", { type: "number", min: "0", max: "1", step: "0.05", value });
    input.setAttribute("aria-label", label);
    return input;
  };
  const weights = [number("First weight", "0.2"), number("Second weight", "0.8")];
  const box = () => {
    const found = floe.find("#prompt textarea");
    return found instanceof HTMLTextAreaElement ? found : null;
  };
  /** @type {(text: string, by: ComparedAsked["by"], typed?: boolean) => void} */
  const ask = (text, by, typed = true) => {
    if (!text.trim()) return box()?.focus();
    const chosen = weights.map(({ value }) => Math.min(Math.max(Number(value) || 0, 0), 1));
    floe.whenOpened().then(() => trigger("ask", { by, weights: chosen, text, typed }));
  };
  floe.askSideBySide = (text) => ask(text, "mode", false);
  /** @type {(name: string, by: ComparedAsked["by"], kind?: string) => HTMLButtonElement} */
  const way = (name, by, kind = "") =>
    floe.press(
      name,
      () => {
        menu.open = false;
        const go = () => ask(box()?.value ?? "", by);
        if (!floe.onceRead?.(go)) go();
      },
      kind,
    );
  const needs = [
    way("This device, both, the cloud", "mode", "primary"),
    way("Two weights", "weight"),
    ...weights,
  ];
  const off = floe.el(
    "p",
    { hidden: true },
    "The cloud is off: this device alone would answer. ",
    floe.press("Choose a cloud", () => {
      menu.open = false;
      floe.setCloud(true);
    }),
  );
  const opener = floe.el("summary", { title: "Ask side by side" }, floe.icon("columns"));
  opener.setAttribute("aria-label", opener.title);
  const sheet = floe.el(
    "div",
    { role: "group", "aria-label": "Ask side by side" },
    floe.el("p", {}, "Answer what is in the box in several ways, one beside the other:"),
    off,
    needs[0],
    floe.el("div", { className: "weights" }, ...needs.slice(1)),
    way("Without and with what was learnt", "adapter"),
  );
  const menu = floe.el("details", { className: "menu" }, opener, sheet);
  floe.closeOutside(menu);
  element.append(menu);
  floe.onCloudKind((kind) => {
    off.hidden = kind !== "off";
    for (const each of needs) each.disabled = kind === "off";
  });
};

/** The answers to one question in columns, over the chat, while there is a value. */
floe.comparison = (part) => {
  const { element, props, trigger, watch } = part;
  const question = floe.el("div", { className: "message-text" });
  const said = floe.el("p", { role: "status" });
  const columns = floe.el("div", { className: "columns" });
  const back = floe.press("Back to the chat", () => trigger("close"), "", "left");
  const title = floe.el("h2", { tabIndex: -1 }, "Side by side");
  const head = floe.el("header", {}, title, back);
  const asked = floe.el("div", { className: "asked", dir: "auto" }, question);
  const sheet = floe.el("section", { "aria-label": "Side by side" }, head, asked, said, columns);
  element.append(sheet);
  floe.askBeforeLinks(sheet);
  sheet.onkeydown = (event) => {
    if (event.key === "Escape" && !event.defaultPrevented) back.click();
  };
  /**
   * @typedef {object} Column
   * @property {HTMLElement} node
   * @property {HTMLElement} title
   * @property {MessageText} text
   * @property {HTMLElement} notices
   * @property {HTMLElement} figures
   * @property {HTMLButtonElement} go
   */
  /** @type {Map<number, Column>} */
  const known = new Map();
  let shown = 0;

  /** @type {(id: number) => Column} */
  const makeColumn = (id) => {
    const heading = floe.el("h3");
    const text = floe.el("div", { className: "message-text" });
    const notices = floe.el("div");
    const figures = floe.el("dl");
    const go = floe.press("Go on with this one", () => trigger("choose", { id }));
    const scrolled = floe.el("div", { className: "words", tabIndex: 0, role: "group" });
    scrolled.append(text, notices);
    const node = floe.el("article", {}, heading, scrolled, figures, go);
    return { node, title: heading, text, notices, figures, go };
  };

  /** @type {(answer: ComparedAnswer) => HTMLElement} */
  const drawColumn = ({ title: name, row, figures, empty }) => {
    const column = known.get(row.id) ?? makeColumn(row.id);
    known.set(row.id, column);
    column.title.textContent = name;
    column.node.setAttribute("aria-label", name);
    column.node.setAttribute("aria-busy", String(row.live));
    column.node.classList.toggle("live", row.live);
    column.text.parentElement?.setAttribute("aria-label", `Answer: ${name}`);
    floe.showBlocks(column.text, row.blocks);
    column.notices.replaceChildren(
      ...row.notices.map((each) => floe.el("p", { className: "aside", dir: "auto" }, each)),
    );
    const lines = figures.map((each) =>
      floe.el(
        "div",
        { title: each.hint },
        floe.el("dt", {}, each.name),
        floe.el("dd", {}, each.value),
      ),
    );
    column.figures.replaceChildren(...(empty ? [] : lines));
    column.go.hidden = empty;
    return column.node;
  };

  const waiting = (/** @type {string} */ name) =>
    floe.el(
      "article",
      { className: "waiting", "aria-label": name },
      floe.el("h3", {}, name),
      floe.el("p", { className: "aside" }, "Written next, so that each has the device to itself."),
    );

  const draw = () => {
    const value = props.value;
    document.documentElement.classList.toggle("comparing", Boolean(value));
    if (!value) {
      if (shown) floe.find("#prompt textarea")?.focus();
      shown = 0;
      known.clear();
      columns.replaceChildren();
      return;
    }
    if (shown !== value.question) {
      known.clear();
      columns.replaceChildren();
    }
    floe.showBlocks(question, value.blocks);
    said.textContent = value.problem;
    said.hidden = !value.problem;
    const nodes = [...value.answers.map(drawColumn), ...value.waiting.map(waiting)];
    // Columns that stay are not moved: the keyboard and the scroll are where they were.
    for (const old of [...columns.children]) {
      if (!nodes.some((node) => node === old)) old.remove();
    }
    nodes.forEach((node, i) => {
      if (columns.children[i] !== node) columns.insertBefore(node, columns.children[i] ?? null);
    });
    columns.style.setProperty("--count", String(nodes.length));
    if (shown !== value.question) title.focus({ preventScroll: true });
    shown = value.question;
  };
  watch("value", draw);
  draw();
};
