// The conversation list: search, new, open, rename and delete, all in place.
"use strict";

floe.conversations = ({ element, props, trigger, server, watch }) => {
  /**
   * @type {{
   *   renaming: number | null,
   *   deleting: number | null,
   *   hits: SearchHitValue[] | null,
   *   query: string,
   * }}
   */
  const state = { renaming: null, deleting: null, hits: null, query: "" };
  const list = floe.el("nav", { "aria-label": "Conversations" });
  const search = floe.el("input", {
    type: "search",
    placeholder: "Search all chats",
    "aria-label": "Search all chats",
    autocomplete: "off",
  });
  const fresh = floe.el("button", { type: "button", className: "new-chat" });
  fresh.append(floe.icon("plus"), "New chat");
  fresh.onclick = () => {
    leave();
    floe.setView("chat");
    trigger("new");
    floe.find("#prompt textarea")?.focus();
  };
  const keys = floe.press("Keyboard", () => floe.showShortcuts(), "keys");
  element.append(fresh, search, list, keys);
  floe.openChat = (id) => (id === null ? trigger("new") : trigger("open", { id }));

  const leave = () => {
    if (floe.narrow.matches) floe.setDrawer(false);
  };

  let asked = 0;
  const find = async () => {
    state.query = search.value.trim();
    const number = ++asked;
    const hits = state.query ? await server.search(state.query) : null;
    if (number !== asked) return; // an older answer must not replace a newer one
    state.hits = hits ?? null;
    draw();
  };
  search.oninput = find;
  search.onkeydown = (event) => {
    if (event.key !== "Escape" || !search.value) return;
    event.stopPropagation();
    search.value = "";
    find();
  };

  const open = (/** @type {PlaceAsked} */ row) => {
    leave();
    floe.setView("chat");
    trigger("open", row);
  };

  const renameRow = (/** @type {ConversationValue} */ row) => {
    const input = floe.el("input", { value: row.title, "aria-label": "New title", maxLength: 200 });
    const done = (/** @type {boolean} */ keep) => {
      if (state.renaming !== row.id) return;
      state.renaming = null;
      const title = input.value.trim();
      if (keep && title && title !== row.title) trigger("rename", { id: row.id, title });
      draw();
    };
    input.onkeydown = (event) => {
      if (event.key === "Enter" && !event.isComposing) done(true);
      if (event.key === "Escape") {
        event.stopPropagation();
        done(false);
      }
    };
    input.onblur = () => done(true);
    requestAnimationFrame(() => input.select());
    return floe.el("li", { className: "renaming" }, input);
  };

  const deleteRow = (/** @type {ConversationValue} */ row) => {
    const keep = floe.el("button", { type: "button" }, "Keep");
    const drop = floe.el("button", { type: "button", className: "danger" }, "Delete");
    keep.onclick = () => {
      state.deleting = null;
      draw();
    };
    drop.onclick = () => {
      state.deleting = null;
      trigger("delete", { id: row.id });
    };
    requestAnimationFrame(() => keep.focus());
    const question = floe.el("span", {}, "Delete for good?");
    return floe.el("li", { className: "deleting", role: "group" }, question, drop, keep);
  };

  const row = (/** @type {ConversationValue} */ each) => {
    if (state.renaming === each.id) return renameRow(each);
    if (state.deleting === each.id) return deleteRow(each);
    const title = floe.el("button", { type: "button", className: "title", title: each.title });
    title.append(each.title);
    if (each.running) title.append(floe.el("i", { className: "writing", title: "Still writing" }));
    title.onclick = () => open({ id: each.id });
    const here = each.id === props.value?.open;
    if (here) title.setAttribute("aria-current", "page");
    const edit = floe.button("pencil", `Rename “${each.title}”`, () => {
      state.renaming = each.id;
      draw();
    });
    const drop = floe.button("bin", `Delete “${each.title}”`, () => {
      state.deleting = each.id;
      draw();
    });
    return floe.el("li", { className: here ? "here" : "" }, title, edit, drop);
  };

  const marked = (/** @type {string} */ text) => {
    const words = state.query.split(/\s+/).map((word) => word.replace(/[^\p{L}\p{N}]/gu, ""));
    const pattern = words.filter(Boolean).join("|");
    if (!pattern) return [text];
    const pieces = text.split(new RegExp(`(${pattern})`, "giu"));
    return pieces.map((piece, i) => (i % 2 ? floe.el("mark", {}, piece) : piece));
  };

  const hit = (/** @type {SearchHitValue} */ each) => {
    const found = floe.el("button", { type: "button", className: "title hit" });
    found.append(floe.el("b", {}, ...marked(each.title)));
    if (each.message) found.append(floe.el("span", {}, ...marked(each.snippet)));
    found.onclick = () => open({ id: each.id, message: each.message });
    return floe.el("li", {}, found);
  };

  const draw = () => {
    if (state.hits) {
      const none = floe.el("p", { className: "empty", role: "status" }, "Nothing found.");
      list.replaceChildren(state.hits.length ? floe.el("ul", {}, ...state.hits.map(hit)) : none);
      return;
    }
    /** @type {{ when: string, rows: ConversationValue[] }[]} */
    const groups = [];
    for (const each of props.value?.rows ?? []) {
      const last = groups.at(-1);
      if (last?.when === each.when) last.rows.push(each);
      else groups.push({ when: each.when, rows: [each] });
    }
    /** @type {HTMLElement[]} */
    const drawn = groups.flatMap((group) => [
      floe.el("h2", {}, group.when),
      floe.el("ul", {}, ...group.rows.map(row)),
    ]);
    if (!drawn.length) drawn.push(floe.el("p", { className: "empty" }, "No chats yet."));
    list.replaceChildren(...drawn);
  };

  watch("value", draw);
  draw();
};
