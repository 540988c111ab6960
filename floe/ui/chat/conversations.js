// The conversation list: search, new, open; rename, pin, archive and delete, one or several.
"use strict";

floe.conversations = ({ element, props, trigger, server, watch }) => {
  /**
   * `opened`: the row whose actions are shown; `places`: which place of a found chat was shown last.
   *
   * @type {{
   *   renaming: number | null,
   *   opened: number | null,
   *   selected: Set<number> | null,
   *   archive: boolean,
   *   hits: SearchHitValue[] | null,
   *   places: Map<number, number>,
   *   query: string,
   * }}
   */
  const state = {
    renaming: null,
    opened: null,
    selected: null,
    archive: false,
    hits: null,
    places: new Map(),
    query: "",
  };
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
  const choose = floe.press(
    "Select chats",
    () => {
      state.selected = state.selected ? null : new Set();
      state.opened = null;
      draw();
    },
    "keys",
  );
  const chosen = floe.el("div", { className: "chosen", role: "group", hidden: true });
  chosen.setAttribute("aria-label", "Selected chats");
  const feet = floe.el("div", { className: "feet" }, keys, choose);
  element.append(fresh, search, list, chosen, feet);
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
    state.places.clear();
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

  /** @type {(icon: string, text: string, name: string, act: () => void) => HTMLElement} */
  const action = (icon, text, name, act) => {
    const button = floe.button(icon, name, () => {
      state.opened = null;
      act();
    });
    button.append(text);
    return button;
  };

  const actionsOf = (/** @type {ConversationValue} */ each) => {
    const mark = (/** @type {MarkAsked["mark"]} */ name) =>
      trigger("mark", { ids: [each.id], mark: name, on: !each[name] });
    const title = `“${each.title}”`;
    return floe.el(
      "div",
      { className: "actions", role: "group" },
      action("pencil", "Rename", `Rename ${title}`, () => {
        state.renaming = each.id;
        draw();
      }),
      action(
        "pin",
        each.pinned ? "Unpin" : "Pin",
        `${each.pinned ? "Unpin" : "Pin"} ${title}`,
        () => mark("pinned"),
      ),
      action(
        "archive",
        each.archived ? "Bring back" : "Archive",
        each.archived ? `Bring ${title} back from the archive` : `Archive ${title}`,
        () => mark("archived"),
      ),
      action("bin", "Delete", `Delete ${title}`, () => trigger("delete", { ids: [each.id] })),
    );
  };

  /** A row while several are chosen. */
  const choiceRow = (/** @type {ConversationValue} */ each) => {
    const box = floe.el("input", { type: "checkbox", checked: state.selected?.has(each.id) });
    box.onchange = () => {
      if (box.checked) state.selected?.add(each.id);
      else state.selected?.delete(each.id);
      drawChosen();
    };
    const label = floe.el("label", { className: "title" }, box, floe.el("span", {}, each.title));
    return floe.el("li", {}, label);
  };

  const row = (/** @type {ConversationValue} */ each) => {
    if (state.renaming === each.id) return renameRow(each);
    if (state.selected) return choiceRow(each);
    const title = floe.el("button", { type: "button", className: "title", title: each.title });
    title.append(each.title);
    if (each.running) title.append(floe.el("i", { className: "writing", title: "Still writing" }));
    title.onclick = () => open({ id: each.id });
    const here = each.id === props.value?.open;
    if (here) title.setAttribute("aria-current", "page");
    const opened = state.opened === each.id;
    const more = floe.button("more", `More about “${each.title}”`, () => {
      state.opened = opened ? null : each.id;
      draw();
      const place = list.querySelector(opened ? `.more[data-id="${each.id}"]` : ".actions button");
      if (place instanceof HTMLElement) place.focus();
    });
    more.classList.add("more");
    more.dataset.id = String(each.id);
    more.setAttribute("aria-expanded", String(opened));
    const item = floe.el("li", { className: here ? "here" : "" }, title, more);
    if (opened) {
      item.classList.add("opened");
      const actions = actionsOf(each);
      actions.onkeydown = (event) => {
        if (event.key === "Escape") more.click();
      };
      item.append(actions);
    }
    return item;
  };

  const drawChosen = () => {
    const ids = [...(state.selected ?? [])];
    choose.textContent = state.selected ? "Done" : "Select chats";
    choose.setAttribute("aria-pressed", String(Boolean(state.selected)));
    chosen.hidden = !state.selected;
    const rows = (props.value?.rows ?? []).filter(({ id }) => ids.includes(id));
    /** @type {(text: string, icon: string, act: () => void) => HTMLButtonElement} */
    const press = (text, icon, act) => {
      const button = floe.press(
        text,
        () => {
          act();
          state.selected = null;
          draw();
        },
        "",
        icon,
      );
      button.disabled = !ids.length;
      return button;
    };
    /** @type {(name: MarkAsked["mark"]) => boolean} */
    const all = (name) => rows.length > 0 && rows.every((each) => each[name]);
    const [pinned, archived] = [all("pinned"), all("archived")];
    chosen.replaceChildren(
      floe.el("span", { role: "status" }, `${ids.length} selected`),
      press(pinned ? "Unpin" : "Pin", "pin", () =>
        trigger("mark", { ids, mark: "pinned", on: !pinned }),
      ),
      press(archived ? "Bring back" : "Archive", "archive", () =>
        trigger("mark", { ids, mark: "archived", on: !archived }),
      ),
      press("Delete", "bin", () => trigger("delete", { ids })),
    );
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
    const count = each.messages.length;
    if (count) found.append(floe.el("span", {}, ...marked(each.snippet)));
    const place = floe.el("small");
    if (count > 1) {
      const last = state.places.get(each.id);
      place.textContent =
        last === undefined
          ? `${count} places`
          : `place ${last + 1} of ${count}; again for the next`;
      found.append(place);
    }
    found.onclick = () => {
      const next = count ? ((state.places.get(each.id) ?? -1) + 1) % count : 0;
      state.places.set(each.id, next);
      if (count > 1) place.textContent = `place ${next + 1} of ${count}; again for the next`;
      open({ id: each.id, message: each.messages[next] ?? null });
    };
    return floe.el("li", {}, found);
  };

  const draw = () => {
    drawChosen();
    if (state.hits) {
      const none = floe.el("p", { className: "empty", role: "status" }, "Nothing found.");
      list.replaceChildren(state.hits.length ? floe.el("ul", {}, ...state.hits.map(hit)) : none);
      return;
    }
    const all = props.value?.rows ?? [];
    if (state.selected) {
      for (const id of state.selected) {
        if (!all.some((each) => each.id === id)) state.selected.delete(id);
      }
    }
    /** @type {{ when: string, rows: ConversationValue[] }[]} */
    const groups = [];
    for (const each of all.filter(({ archived }) => !archived)) {
      const last = groups.at(-1);
      if (last?.when === each.when) last.rows.push(each);
      else groups.push({ when: each.when, rows: [each] });
    }
    /** @type {HTMLElement[]} */
    const drawn = groups.flatMap((group) => [
      floe.el("h2", {}, group.when),
      floe.el("ul", {}, ...group.rows.map(row)),
    ]);
    const archived = all.filter((each) => each.archived);
    if (archived.length) {
      const toggle = floe.el("button", { type: "button", className: "archive" }, floe.chevron());
      toggle.append(`Archive (${archived.length})`);
      toggle.setAttribute("aria-expanded", String(state.archive));
      toggle.onclick = () => {
        state.archive = !state.archive;
        draw();
        const again = list.querySelector(".archive");
        if (again instanceof HTMLElement) again.focus();
      };
      drawn.push(toggle);
      if (state.archive) drawn.push(floe.el("ul", {}, ...archived.map(row)));
    }
    if (!drawn.length) drawn.push(floe.el("p", { className: "empty" }, "No chats yet."));
    list.replaceChildren(...drawn);
  };

  watch("value", draw);
  draw();
};

/** The last deletion, which can be taken back for a minute. */
floe.undo = ({ element, props, trigger, watch }) => {
  element.setAttribute("role", "status");
  const draw = () => {
    const value = props.value;
    if (!value?.number) return element.replaceChildren();
    const back = floe.press("Undo", () => trigger("undo", { id: value.number }));
    element.replaceChildren(floe.el("p", {}, value.sentence, back));
    // What was pressed has gone; the keyboard goes on here.
    if (document.activeElement === document.body) back.focus({ preventScroll: true });
  };
  watch("value", draw);
  draw();
};
