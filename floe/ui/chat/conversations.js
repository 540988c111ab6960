// The conversation list: search, new, open; rename, pin, archive and delete, one or several.
"use strict";

/** How many more chats are drawn at once. */
const MORE_CHATS = 1000;

floe.conversations = ({ element, props, trigger, server, watch }) => {
  /**
   * `opened`: the row whose actions are shown; `places`: which place of a found chat was shown
   * last; `length`: so much of the list was asked for, 0: what comes by itself is enough.
   *
   * @type {{
   *   renaming: number | null,
   *   moving: number[] | null,
   *   opened: number | null,
   *   selected: Set<number> | null,
   *   archive: boolean,
   *   found: SearchValue | null,
   *   places: Map<number, number>,
   *   query: string,
   *   length: number,
   * }}
   */
  const state = {
    renaming: null,
    moving: null,
    opened: null,
    selected: null,
    archive: false,
    found: null,
    places: new Map(),
    query: "",
    length: 0,
  };
  /** As much of the list as was asked for, if that is more than comes by itself. @type {ConversationListValue | null} */
  let longer = null;
  const rowsNow = () => (longer ?? props.value)?.rows ?? [];
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
    floe.awaitChat(null);
    trigger("new");
    floe.find("#prompt textarea")?.focus();
  };
  const keys = floe.press("Keyboard", () => floe.showShortcuts(), "keys");
  const choose = floe.press(
    "Select chats",
    () => {
      state.selected = state.selected ? null : new Set();
      state.opened = state.moving = null;
      draw();
    },
    "keys",
  );
  const chosen = floe.el("div", { className: "chosen", role: "group", hidden: true });
  chosen.setAttribute("aria-label", "Selected chats");
  const feet = floe.el("div", { className: "feet" }, keys, choose);
  element.append(fresh, search, list, chosen, feet);
  floe.openChat = (id) => {
    floe.awaitChat(id);
    if (id === null) trigger("new");
    else trigger("open", { id });
  };

  const leave = () => {
    if (floe.narrow.matches) floe.setDrawer(false);
  };

  let asked = 0;
  const find = async (fresh = true) => {
    state.query = search.value.trim();
    const number = ++asked;
    const found = state.query ? await server.search(state.query) : null;
    if (number !== asked) return; // an older answer must not replace a newer one
    state.found = found ?? null;
    if (fresh) state.places.clear();
    draw();
  };
  search.oninput = () => find();
  search.onkeydown = (event) => {
    if (event.key !== "Escape" || !search.value) return;
    event.stopPropagation();
    search.value = "";
    find();
  };

  let lengthened = 0;
  const lengthen = async () => {
    const number = ++lengthened;
    const value = await server.chats(state.length);
    if (number === lengthened) longer = value?.rows.length ? value : null;
  };

  /** What follows the chats that are drawn: those that are older. */
  const moreChats = (/** @type {number} */ count) => {
    const button = floe.press(`Show ${Math.min(count, MORE_CHATS)} more`, async () => {
      button.disabled = true;
      const before = list.querySelectorAll("li").length;
      state.length = rowsNow().length + MORE_CHATS;
      await lengthen();
      draw();
      const next = list.querySelectorAll("li")[before]?.querySelector("button, input");
      if (next instanceof HTMLElement) next.focus({ preventScroll: true });
    });
    button.classList.add("more-chats");
    const said = `Not in the list: ${count.toLocaleString("en")} more. The search finds them, too.`;
    return [floe.el("p", { className: "empty" }, said), button];
  };

  const open = (/** @type {PlaceAsked} */ row) => {
    leave();
    floe.setView("chat");
    floe.awaitChat(row.id);
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

  /** The folders that there are, by name. */
  const folders = () => {
    const names = (props.value?.rows ?? []).map(({ folder }) => folder).filter(Boolean);
    return [...new Set(names)].sort((one, other) => one.localeCompare(other));
  };

  /** Let go of which folders are closed where there are none: their names are somebody's words. */
  const forgetFolders = () => {
    const there = new Set(folders().map((name) => `floe.folder.${name}`));
    for (const key of Object.keys(localStorage)) {
      if (key.startsWith("floe.folder.") && !there.has(key)) localStorage.removeItem(key);
    }
  };

  /** Where chats are to be put: a folder that is there, or a new one. */
  const folderField = (/** @type {number[]} */ ids) => {
    const options = floe.el("datalist", { id: "folders" });
    options.append(...folders().map((value) => floe.el("option", { value })));
    const input = floe.el("input", {
      maxLength: 60,
      placeholder: "Name of a folder",
      autocomplete: "off",
    });
    input.setAttribute("list", options.id);
    input.setAttribute("aria-label", "Folder");
    input.value = rowsNow().find(({ id }) => id === ids[0])?.folder ?? "";
    const done = (/** @type {string | null} */ folder) => {
      state.moving = null;
      if (folder !== null) {
        trigger("move", { ids, folder });
        state.selected = null;
      }
      draw();
      const place = list.querySelector(`.more[data-id="${ids[0]}"]`);
      if (place instanceof HTMLElement) place.focus();
    };
    input.onkeydown = (event) => {
      if (event.key === "Enter" && !event.isComposing) {
        event.preventDefault(); // else it would press the button that gets the focus
        done(input.value.trim());
      }
      if (event.key === "Escape") {
        event.stopPropagation();
        done(null);
      }
    };
    requestAnimationFrame(() => input.select());
    const out = floe.press("No folder", () => done(""));
    return floe.el(
      "div",
      { className: "moving", role: "group", "aria-label": "Move to a folder" },
      input,
      options,
      floe.press("Move", () => done(input.value.trim()), "primary"),
      ...(input.value ? [out] : []),
      floe.press("Cancel", () => done(null)),
    );
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
      action("folder", "Folder", `Put ${title} into a folder`, () => {
        state.moving = [each.id];
        draw();
      }),
      action("bin", "Delete", `Delete ${title}`, () => trigger("delete", { ids: [each.id] })),
    );
  };

  /** A row while several are chosen. */
  const choiceRow = (/** @type {Pick<ConversationValue, "id" | "title">} */ each) => {
    const box = floe.el("input", { type: "checkbox", checked: state.selected?.has(each.id) });
    box.onchange = () => {
      if (box.checked) state.selected?.add(each.id);
      else state.selected?.delete(each.id);
      drawChosen();
    };
    const label = floe.el(
      "label",
      { className: "title" },
      box,
      floe.el("span", { dir: "auto" }, each.title),
    );
    return floe.el("li", {}, label);
  };

  /** Rows as they were drawn last, by chat: of thousands only those that changed are made anew. @type {Map<number, { key: string, item: HTMLElement }>} */
  const drawnRows = new Map();

  const row = (/** @type {ConversationValue} */ each) => {
    if (state.renaming === each.id) return renameRow(each);
    if (!state.selected && state.moving?.[0] === each.id) {
      return floe.el("li", {}, folderField(state.moving));
    }
    if (state.selected) return choiceRow(each);
    const here = each.id === props.value?.open;
    const opened = state.opened === each.id;
    const key = JSON.stringify([each, here, opened]);
    const drawn = drawnRows.get(each.id);
    if (drawn?.key === key) return drawn.item;
    const item = newRow(each, here, opened);
    drawnRows.set(each.id, { key, item });
    return item;
  };

  /** @type {(each: ConversationValue, here: boolean, opened: boolean) => HTMLElement} */
  const newRow = (each, here, opened) => {
    const title = floe.el("button", { type: "button", className: "title", title: each.title });
    title.dir = "auto"; // else what is cut off is the beginning
    title.append(each.title);
    if (each.running) title.append(floe.el("i", { className: "writing", title: "Still writing" }));
    title.onclick = () => open({ id: each.id });
    if (here) title.setAttribute("aria-current", "page");
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
    const rows = rowsNow().filter(({ id }) => ids.includes(id));
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
    if (state.selected && state.moving) {
      chosen.replaceChildren(folderField(state.moving));
      return;
    }
    const move = floe.press(
      "Folder",
      () => {
        state.moving = ids;
        drawChosen();
      },
      "",
      "folder",
    );
    move.disabled = !ids.length;
    chosen.replaceChildren(
      floe.el("span", { role: "status" }, `${ids.length} selected`),
      press(pinned ? "Unpin" : "Pin", "pin", () =>
        trigger("mark", { ids, mark: "pinned", on: !pinned }),
      ),
      press(archived ? "Bring back" : "Archive", "archive", () =>
        trigger("mark", { ids, mark: "archived", on: !archived }),
      ),
      move,
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
    if (state.selected) return choiceRow(each);
    const found = floe.el("button", { type: "button", className: "title hit" });
    found.append(floe.el("b", { dir: "auto" }, ...marked(each.title)));
    const count = each.messages.length;
    if (count) found.append(floe.el("span", { dir: "auto" }, ...marked(each.snippet)));
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

  /** A folder, which opens and closes, and stays so. @type {(name: string, rows: ConversationValue[]) => HTMLElement[]} */
  const folder = (name, rows) => {
    const closed = `folder.${name}`;
    const open = floe.recall(closed) === null;
    const toggle = floe.el("button", { type: "button", className: "folder" }, floe.chevron());
    toggle.append(floe.icon("folder"), `${name} (${rows.length})`);
    toggle.setAttribute("aria-expanded", String(open));
    toggle.onclick = () => {
      floe.remember(closed, open ? "closed" : null);
      draw();
      const again = [...list.querySelectorAll(".folder")].find(
        (each) => each.textContent === toggle.textContent,
      );
      if (again instanceof HTMLElement) again.focus();
    };
    return open ? [toggle, floe.el("ul", {}, ...rows.map(row))] : [toggle];
  };

  const draw = () => {
    drawChosen();
    if (state.found) {
      const { hits, more } = state.found;
      const said = hits.length
        ? `The ${hits.length} best are shown. More words find fewer.`
        : "Nothing found.";
      const note = floe.el("p", { className: "empty", role: "status" }, said);
      const shown = hits.length ? [floe.el("ul", {}, ...hits.map(hit))] : [];
      list.replaceChildren(...shown, ...(more || !hits.length ? [note] : []));
      return;
    }
    const all = rowsNow();
    if (drawnRows.size > 2 * all.length) drawnRows.clear();
    if (state.selected) {
      for (const id of state.selected) {
        if (!all.some((each) => each.id === id)) state.selected.delete(id);
      }
    }
    /** @type {{ when: string, rows: ConversationValue[] }[]} */
    const groups = [];
    const shown = all.filter(({ archived }) => !archived);
    for (const each of shown.filter(({ folder, pinned }) => pinned || !folder)) {
      const last = groups.at(-1);
      if (last?.when === each.when) last.rows.push(each);
      else groups.push({ when: each.when, rows: [each] });
    }
    /** @type {HTMLElement[]} */
    const drawn = groups.flatMap((group) => [
      floe.el("h2", {}, group.when),
      floe.el("ul", {}, ...group.rows.map(row)),
    ]);
    const kept = folders().flatMap((name) => {
      const rows = shown.filter(({ folder, pinned }) => folder === name && !pinned);
      return rows.length ? folder(name, rows) : [];
    });
    // Below what is pinned, above what stands by its day.
    drawn.splice(groups[0]?.when === "Pinned" ? 2 : 0, 0, ...kept);
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
    const more = (longer ?? props.value)?.more ?? 0;
    if (more) drawn.push(...moreChats(more));
    if (!drawn.length) drawn.push(floe.el("p", { className: "empty" }, "No chats yet."));
    list.replaceChildren(...drawn);
  };

  // What was found is found anew, because the list has changed: a chat may be gone.
  watch("value", async () => {
    if (props.value) forgetFolders();
    if (state.length) await lengthen();
    // What is typed there would be lost; all is drawn once it is done.
    if (state.renaming !== null || state.moving) return;
    if (state.found && !state.selected) find(false);
    else draw();
  });
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
