// One message: its text, and what stands around it (branches, copy, edit, again, tokens, notices).
"use strict";

/** Copy what `text()` gives, and show for a moment that it was done. */
floe.copyButton = (name, text) => {
  const button = floe.button("copy", name, async () => {
    await navigator.clipboard.writeText((await text()) ?? "");
    button.replaceChildren(floe.icon("tick"));
    setTimeout(() => button.replaceChildren(floe.icon("copy")), 1200);
  });
  return button;
};

/** Elements of a block's HTML. It comes from `markdown.py`, which has let through what may be. */
floe.parseBlock = (html) => {
  const template = document.createElement("template");
  template.innerHTML = html;
  for (const figure of template.content.querySelectorAll("figure.code")) {
    const code = figure.querySelector("code");
    const copy = floe.copyButton("Copy code", () => code?.textContent ?? "");
    figure.querySelector("figcaption")?.append(copy);
  }
  return [...template.content.childNodes];
};

/** Make the text of a message from blocks; of those it had, only what has changed is replaced. */
floe.showBlocks = (node, blocks) => {
  node.drawnBlocks ??= [];
  const had = node.drawnBlocks;
  let same = 0;
  while (same < had.length && same < blocks.length && had[same].html === blocks[same]) same += 1;
  const gone = had.splice(same);
  const program = (/** @type {ChildNode | undefined} */ block) =>
    block instanceof Element ? block.querySelector("pre") : null;
  const aside = program(gone[0]?.nodes[0])?.scrollLeft;
  for (const { nodes } of gone) for (const each of nodes) each.remove();
  for (const html of blocks.slice(same)) {
    const nodes = floe.parseBlock(html);
    node.append(...nodes);
    had.push({ html, nodes });
  }
  if (aside) {
    const wide = program(had[same]?.nodes[0]);
    if (wide) wide.scrollLeft = aside;
  }
};

/** An empty row for a message of that role; its text goes into `.message-text`. */
floe.messageRow = (role) => {
  const text = floe.el("div", { className: "message-text" });
  const message = floe.el("div", { className: "message" }, text);
  const row = floe.el(
    "article",
    { className: `message-row ${role === "user" ? "user-row" : "bot-row"}` },
    message,
  );
  row.setAttribute("aria-label", role === "user" ? "You" : "Floe");
  return { row, text };
};

/** The text with marks; places count characters as Python does, not halves of them. */
floe.highlighted = (text, spans) => {
  const characters = Array.from(text);
  const pieces = [];
  let at = 0;
  for (const [start, end, kind] of spans) {
    const mark = floe.el("mark", { title: kind }, characters.slice(start, end).join(""));
    mark.append(floe.el("sup", {}, kind));
    pieces.push(characters.slice(at, start).join(""), mark);
    at = end;
  }
  return [...pieces, characters.slice(at).join("")];
};

/**
 * What was decided about a question; pressed, it shows the words that decided it. Where the check
 * was unsure, `answer(name)` is told what the person says of it.
 */
floe.decisionChip = ({ kept, reason, spans, unsure }, fetchText, answer) => {
  const line = floe.el("div", { className: "chip-line" });
  const words = floe.el("span", {}, reason);
  const asks = floe.el("div", { className: "chip-asks", role: "group" });
  asks.setAttribute("aria-label", "Is this message private?");
  if (unsure) {
    asks.append(
      floe.press("Not private: ask the cloud too", () => answer("release")),
      floe.press("Always private", () => answer("confirm")),
    );
  }
  if (!spans.length) {
    line.append(floe.el("span", { className: "chip" }, floe.icon(kept ? "lock" : "mask"), words));
    if (unsure) line.append(asks);
    return line;
  }
  const marked = floe.el("p", { className: "marked", hidden: true, dir: "auto" });
  const button = floe.el("button", { type: "button", className: "chip" });
  button.append(floe.icon(kept ? "lock" : "mask"), words, floe.chevron());
  button.title = "Show the words that decided it";
  button.setAttribute("aria-expanded", "false");
  button.onclick = async () => {
    if (!marked.hasChildNodes())
      marked.append(...floe.highlighted((await fetchText()) ?? "", spans));
    marked.hidden = !marked.hidden;
    button.setAttribute("aria-expanded", String(!marked.hidden));
  };
  line.append(button, ...(unsure ? [asks] : []), marked);
  return line;
};

/** A box to write a question or an answer anew; `done(text)`, `cancel()`, `changed(text)`. */
floe.messageEditor = ({ own, text, done, cancel, changed }) => {
  const name = own ? "Edit your message" : "The answer in your own words";
  const area = floe.el("textarea", { value: text, "aria-label": name, dir: "auto" });
  area.rows = Math.min(12, text.split("\n").length + 1);
  const send = floe.el(
    "button",
    { type: "button", className: "primary" },
    own ? "Send" : "Keep this wording",
  );
  const leave = floe.el("button", { type: "button" }, "Cancel");
  send.onclick = () => done(area.value);
  leave.onclick = cancel;
  area.oninput = () => changed(area.value);
  area.onkeydown = (event) => {
    if (event.key === "Escape") cancel();
    const enter = event.key === "Enter" && (own ? !event.shiftKey : event.ctrlKey || event.metaKey);
    if (enter && !event.isComposing) {
      event.preventDefault();
      done(area.value);
    }
  };
  requestAnimationFrame(() => area.focus());
  const buttons = floe.el("div", { className: "edit-buttons" }, send, leave);
  return floe.el("div", { className: "editor" }, area, buttons);
};

/**
 * What stands around messages; `redraw()` is called when that has changed by a press,
 * `tokensCame()` when more tokens of a message are known.
 */
floe.surroundings = ({ trigger, server, redraw, tokensCame }) => {
  /** @type {Map<number, boolean>} Whether tokens are shown, by message, where that was chosen. */
  const open = new Map();
  /** @type {{ id: number, text: string } | null} The message being edited, and its text so far. */
  let editing = null;

  /** @type {(row: Pick<ThreadRow, "id" | "rewritten">, last: boolean) => boolean} */
  const isOpen = (row, last) =>
    !row.rewritten && (open.get(row.id) ?? (last && floe.recall("tokens") !== "closed"));

  const switcher = (/** @type {ThreadRow} */ row) => {
    const at = row.siblings.indexOf(row.id);
    const go = (/** @type {number} */ to) => () => trigger("branch", { id: row.siblings[to] });
    const back = floe.button("left", "Earlier version", go(at - 1));
    const forth = floe.button("right", "Later version", go(at + 1));
    back.disabled = at === 0;
    forth.disabled = at === row.siblings.length - 1;
    const count = floe.el("span", {}, `${at + 1}/${row.siblings.length}`);
    count.setAttribute("aria-label", `Version ${at + 1} of ${row.siblings.length}`);
    return floe.el("span", { className: "switcher" }, back, count, forth);
  };

  /** @type {(row: ThreadRow, icon: string, name: string, rating: -1 | 1) => HTMLElement} */
  const rate = (row, icon, name, rating) => {
    const given = row.rating === rating;
    const press = () => trigger("rate", { id: row.id, rating: given ? 0 : rating });
    const button = floe.button(icon, name, press);
    button.setAttribute("aria-pressed", String(given));
    return button;
  };

  const remove = (/** @type {ThreadRow} */ row) =>
    floe.button("bin", "Delete this message and what follows", () =>
      trigger("remove", { id: row.id }),
    );

  const startEdit = async (/** @type {ThreadRow} */ { id, attachments }) => {
    const whole = (await server.text(id)) ?? "";
    // What was attached stays with the message; its words alone are written anew.
    const own = attachments.length ? Array.from(whole).slice(0, attachments[0].start) : [whole];
    editing = { id, text: own.join("") };
    redraw(id);
  };

  /** @type {(row: ThreadRow, edited: { text: string }) => HTMLElement} */
  const editor = (row, edited) => {
    const own = row.role === "user";
    return floe.messageEditor({
      own,
      text: edited.text,
      // The editor stays until the new branch is in view: a refusal loses nothing.
      done: (text) => trigger(own ? "edit" : "rewrite", { id: row.id, text }),
      cancel: () => {
        editing = null;
        redraw();
      },
      changed: (text) => {
        edited.text = text;
      },
    });
  };

  /** @type {(icon: string, name: string, onclick: () => unknown) => HTMLElement} */
  const withText = (icon, name, onclick) => {
    const button = floe.button(icon, name, onclick, "with-text");
    button.append(name);
    return button;
  };

  /** @type {(row: ThreadRow, last: boolean) => HTMLElement} */
  const bar = (row, last) => {
    const tools = floe.el("div", { className: "tools" });
    if (row.siblings.length > 1) tools.append(switcher(row));
    if (row.siblings.length > 1 && row.role === "assistant") {
      const name = "All versions side by side";
      tools.append(floe.button("columns", name, () => trigger("compare", { id: row.id })));
    }
    tools.append(floe.copyButton("Copy", () => server.text(row.id)));
    if (row.role === "user") {
      tools.append(floe.button("pencil", "Edit", () => startEdit(row)));
      tools.append(remove(row));
      if (last)
        tools.append(withText("again", "Answer", () => trigger("regenerate", { id: row.id })));
      return tools;
    }
    if (row.unfinished) {
      tools.append(withText("onward", "Continue", () => trigger("resume", { id: row.id })));
    }
    if (!row.live) {
      tools.append(
        floe.button("again", "Answer again", () => trigger("regenerate", { id: row.id })),
      );
      tools.append(floe.button("pencil", "Rewrite in your own words", () => startEdit(row)));
      tools.append(rate(row, "like", "A good answer", 1), rate(row, "dislike", "A bad answer", -1));
      tools.append(remove(row));
    }
    if (row.rewritten) {
      tools.append(floe.el("span", { className: "summary" }, "rewritten by you"));
      return tools;
    }
    const shown = isOpen(row, last);
    const toggle = floe.button(
      "tokens",
      "Tokens: who carried each",
      () => {
        open.set(row.id, !shown);
        if (last) floe.remember("tokens", shown ? "closed" : null);
        redraw();
      },
      "with-text",
    );
    toggle.append("Tokens");
    toggle.setAttribute("aria-expanded", String(shown));
    const summary = floe.el("span", { className: "summary" }, row.summary || row.route);
    summary.title = [row.route, row.reason].filter(Boolean).join(": ");
    tools.append(toggle, summary);
    return tools;
  };

  return {
    /** Whether its tokens are shown. */
    showsTokens: (row, last) => row.role === "assistant" && isOpen(row, last),
    /** Whether that message is being edited. */
    edits: (id) => editing?.id === id,
    /** An editor whose message has gone from the branch in view goes with it. */
    keepEditing: (holds) => {
      if (editing && !holds(editing.id)) editing = null;
    },
    /** All that `build` depends on but the blocks. */
    key: ({ blocks, ...row }, last) =>
      JSON.stringify([row, last, isOpen(row, last), editing?.id === row.id]),
    build: (row, last, conversation) => {
      const foot = floe.el("div", { className: "around" });
      if (row.attachments.length) {
        foot.append(floe.attachmentChips(row.attachments, () => server.text(row.id)));
      }
      if (row.chip) {
        const answer = (/** @type {"release" | "confirm"} */ name) => trigger(name, { id: row.id });
        foot.append(floe.decisionChip(row.chip, () => server.text(row.id), answer));
      }
      if (editing?.id === row.id) foot.append(editor(row, editing));
      for (const notice of row.notices) {
        foot.append(floe.el("p", { className: "aside", role: "status", dir: "auto" }, notice));
      }
      if (row.memory) {
        const forget = (/** @type {number} */ id) => trigger("forget", { id });
        foot.append(floe.memoryChip(row.memory, () => server.memory(row.id), forget));
      }
      if (row.role === "assistant" && isOpen(row, last)) {
        const came = () => tokensCame(row.id);
        /** @type {(token: number, alternative: number) => void} */
        const take = (token, alternative) => trigger("take", { id: row.id, token, alternative });
        foot.append(floe.tokenPanel(conversation, row.id, server.tokens, came, take));
      }
      foot.append(bar(row, last));
      return foot;
    },
  };
};
