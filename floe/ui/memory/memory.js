// What the person wrote earlier: the sheet about it, and the chip below an answer that used it.
"use strict";

floe.memory = (part) => {
  const { element, trigger } = part;
  const use = floe.toggle("Use what I wrote earlier", (on) => trigger("switch", { on }));
  const state = floe.el("p", { role: "status" });
  const notes = floe.whenTyped(
    floe.el("textarea", { rows: 4, placeholder: "My sister's name is Ilvara.", dir: "auto" }),
    (text) => trigger("notes", { text }),
  );
  const folder = floe.el("input", {
    type: "text",
    placeholder: "/home/me/notes",
    spellcheck: false,
  });
  const choose = floe.press("Read this folder", () =>
    trigger("folder", { folder: folder.value.trim() }),
  );
  folder.onkeydown = (event) => {
    if (event.key === "Enter") choose.click();
  };
  const problems = floe.el("ul", { className: "plain-list faint" });
  const sheet = floe.sheet(
    "Your earlier words",
    floe.el(
      "p",
      {},
      "Earlier chats, notes and files are searched on this device for each question, and so is " +
        "what a long chat has no room for. What fits is read by the model on this device alone; " +
        "the cloud never sees it. While there are few answers that you wrote yourself and that it " +
        "may learn from, one or two of them are read with a question like theirs, as examples of " +
        "how you write.",
    ),
    use,
    state,
    floe.el(
      "div",
      { className: "pair" },
      floe.field(
        "Notes",
        notes,
        "Read only with a question that they fit, so there may be many; an empty line between two. What every answer should know goes into About you above.",
      ),
      floe.el(
        "div",
        {},
        floe.field("Folder", folder, "Text, Markdown and PDF files in it are read where they are."),
        floe.el("div", { className: "row" }, choose),
      ),
    ),
    problems,
  );
  sheet.head.append(floe.press("Read again", () => trigger("read"), "", "again"));
  element.append(sheet);
  floe.onChange(part, (value) => {
    use.set(value.on);
    state.textContent = value.sentence;
    notes.put(value.notes);
    if (document.activeElement !== folder) folder.value = value.folder;
    problems.replaceChildren(...value.problems.map((each) => floe.el("li", { dir: "auto" }, each)));
    problems.hidden = !value.problems.length;
  });
};

/** What was read for an answer; pressed, it lists the passages, each with a way to forget it. */
floe.memoryChip = (count, fetchUses, forget) => {
  const words = count === 1 ? "used 1 of your notes" : `used ${count} of your notes`;
  const list = floe.el("ul", { className: "plain-list memory-uses", hidden: true });
  const button = floe.el("button", { type: "button", className: "chip" });
  button.append(floe.icon("chat"), floe.el("span", {}, words), floe.chevron());
  button.title =
    "Show what was read. The cloud did not see it, so the model on this device counts more where " +
    "it says something you told.";
  button.setAttribute("aria-expanded", "false");

  const sourceOf = (/** @type {MemoryUseValue} */ { kind, source }) => {
    if (kind === "note") return "your notes";
    return kind === "example" ? `how you write: ${source}` : source;
  };

  const line = (/** @type {MemoryUseValue} */ each) => {
    const from = sourceOf(each);
    const item = floe.el(
      "li",
      {},
      floe.el("p", { dir: "auto" }, each.text),
      floe.el("small", { dir: "auto" }, `${from} · ${floe.moment(each.at)}`),
    );
    const drop = floe.press("Forget this", null, "", "bin");
    item.append(
      floe.ask(drop, "Forget these words for good?", "Forget", () => {
        forget(each.id);
        item.remove();
        if (!list.children.length) list.append(floe.el("li", {}, "None of it is kept any more."));
      }),
    );
    return item;
  };

  button.onclick = async () => {
    if (list.hidden) {
      const uses = (await fetchUses()) ?? [];
      const gone = floe.el("li", {}, "It has been forgotten or deleted since.");
      list.replaceChildren(...(uses.length ? uses.map(line) : [gone]));
    }
    list.hidden = !list.hidden;
    button.setAttribute("aria-expanded", String(!list.hidden));
  };
  return floe.el("div", { className: "chip-line memory-line" }, button, list);
};
