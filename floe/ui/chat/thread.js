// The conversation in view: the rows near what is looked at, and a scroll that obeys the person.
"use strict";

/** What one may ask at first; the last one is about somebody's own life. */
floe.examples = [
  ["Explain", "Explain to a ten-year-old why the sky is blue."],
  ["Write", "Write a short, friendly mail that moves a meeting from Monday to Tuesday."],
  ["Code", "Write a Python function that counts how often each word occurs in a text."],
  ["My own", "My sister Anna has her birthday on Friday. Suggest three small presents for her."],
];

/** Rows asked for at once, and rows beyond which those far from the view are let go. */
floe.windowRows = 40;
floe.mostRows = 240;

/**
 * Keeps the end of `log` in view while it grows, until the person turns away from it; they come
 * back by scrolling to the end. What they meant is read from the wheel, the keys and the finger,
 * before anything is redrawn.
 */
floe.followEnd = (log, moved) => {
  let follows = true;
  let lastTop = 0;
  let touched = 0;
  const end = () => log.scrollHeight - log.clientHeight;
  const scrollsInside = (/** @type {EventTarget | null} */ target) => {
    let at = target instanceof Element ? target : null;
    for (; at && at !== log; at = at.parentElement) {
      if (at.scrollTop > 0 && /auto|scroll/.test(getComputedStyle(at).overflowY)) return true;
    }
    return false;
  };
  const leave = (/** @type {Event} */ event) => {
    if (log.scrollTop > 0 && !scrollsInside(event.target)) follows = false;
  };
  log.addEventListener("wheel", (event) => event.deltaY < 0 && leave(event), { passive: true });
  log.addEventListener("touchstart", (event) => (touched = event.touches[0].clientY), {
    passive: true,
  });
  log.addEventListener("touchmove", (event) => event.touches[0].clientY > touched && leave(event), {
    passive: true,
  });
  log.addEventListener("keydown", (event) => {
    if (["ArrowUp", "PageUp", "Home"].includes(event.key) && !event.defaultPrevented) leave(event);
  });
  const read = () => {
    const top = log.scrollTop;
    if (top < lastTop - 1 && top < end() - 1)
      follows = false; // by the scroll bar
    else if (top > lastTop && top >= end() - 4) follows = true;
    lastTop = top;
  };
  log.addEventListener("scroll", () => {
    read();
    moved();
  });
  const toEnd = () => {
    log.scrollTop = end();
    lastTop = log.scrollTop;
  };
  const keep = () => {
    read();
    if (follows) toEnd();
    moved();
  };
  const sizes = new ResizeObserver(keep);
  sizes.observe(log);
  if (log.firstElementChild) sizes.observe(log.firstElementChild);
  return {
    keep,
    stay: () => {
      follows = false;
    },
    toEnd: () => {
      follows = true;
      toEnd();
    },
    get atEnd() {
      return log.scrollTop >= end() - 60;
    },
  };
};

/** Put a text into a field of gradio's, as if it were typed. */
floe.typeText = (field, text) => {
  if (field.value === text) return;
  field.value = text;
  field.dispatchEvent(new Event("input", { bubbles: true }));
};

floe.thread = (part) => {
  const { element, props, trigger, server, watch } = part;
  const list = floe.el("div", { className: "rows" });
  const log = floe.el(
    "div",
    { className: "log", role: "log", tabIndex: 0, "aria-label": "Conversation" },
    list,
  );
  const latest = floe.button("down", "Go to the end", () => goToEnd(), "latest");
  latest.hidden = true;
  element.append(log, latest);
  floe.askBeforeLinks(log);

  // Entries of rows `view.first` and following, of a branch that ends at `view.leaf`.
  /** @type {Pick<ThreadRows, "conversation" | "leaf" | "generation" | "first" | "total">} */
  let view = { conversation: null, leaf: null, generation: -1, first: 0, total: 0 };
  /**
   * @typedef {object} Entry A row of the thread: what is drawn, from what, and what stands around.
   * @property {number} id
   * @property {HTMLElement} row
   * @property {MessageText} text
   * @property {ThreadRow} data
   * @property {string} [key]
   * @property {HTMLElement} [around]
   */
  /** @type {Entry[]} */
  let entries = [];
  let asking = false;
  let focused = -1;

  const surroundings = floe.surroundings({
    trigger,
    server,
    redraw: (id) => {
      if (id !== undefined) scroll.stay();
      drawEntries();
      list.querySelector(".editor")?.scrollIntoView({ block: "center" });
    },
    tokensCame: (id) => {
      const entry = entries.find((each) => each.id === id);
      if (entry) colour(entry, isLast(entry));
    },
  });

  const isLast = (/** @type {Entry} */ entry) =>
    view.first + entries.indexOf(entry) === view.total - 1;

  /** @type {(entry: Entry, last: boolean) => void} */
  const colour = (entry, last) => {
    const shown = surroundings.showsTokens(entry.data, last);
    const rows = shown ? (floe.rows.get(entry.id) ?? []) : null;
    floe.colourText(entry.text, rows, (token, alternative) =>
      trigger("take", { id: entry.id, token, alternative }),
    );
  };

  /** @type {(row: ThreadRow) => Entry} */
  const makeEntry = (row) => ({ ...floe.messageRow(row.role), id: row.id, data: row });

  /** @type {(entry: Entry, data: ThreadRow, last: boolean) => void} */
  const drawEntry = (entry, data, last) => {
    entry.data = data;
    floe.showBlocks(entry.text, data.blocks);
    entry.row.classList.toggle("editing", surroundings.edits(data.id));
    entry.row.classList.toggle("live", data.live);
    entry.row.setAttribute("aria-busy", String(data.live));
    colour(entry, last);
    const key = surroundings.key(data, last);
    if (entry.key === key) return;
    entry.key = key;
    const around = surroundings.build(data, last, view.conversation);
    if (entry.around) entry.around.replaceWith(around);
    else entry.row.append(around);
    entry.around = around;
  };

  const drawEntries = () => {
    entries.forEach((entry, i) => {
      drawEntry(entry, entry.data, view.first + i === view.total - 1);
    });
    let next = list.firstChild;
    for (const { row } of entries) {
      if (row === next) next = row.nextSibling;
      else list.insertBefore(row, next);
    }
    while (next) {
      const gone = next;
      next = next.nextSibling;
      gone.remove();
      const text = gone instanceof Element && gone.querySelector(".message-text");
      if (text instanceof HTMLElement) floe.colourText(text, null);
    }
  };

  /** Put an example into the box, to be changed or sent. */
  const example = (/** @type {[string, string]} */ [name, text]) => {
    const button = floe.el(
      "button",
      { type: "button", className: "example" },
      floe.el("b", {}, name),
      text,
    );
    button.onclick = () => {
      const area = box();
      if (!area) return;
      floe.typeText(area, text);
      area.focus();
    };
    if (cloud === "off") return floe.el("li", {}, button);
    const beside = floe.press("Side by side", () => floe.askSideBySide?.(text), "", "columns");
    beside.setAttribute("aria-label", `Side by side: ${text}`);
    return floe.el("li", {}, button, beside);
  };

  /** @type {CloudValue["kind"]} */
  let cloud = "cloud";

  /** Who answers as things are set, in two or three paragraphs. */
  const whoAnswers = () => {
    const model = floe.el("b", {}, props.value?.model ?? "");
    if (cloud === "off") {
      return [
        floe.el("p", {}, model, " on this device answers alone: the cloud is off."),
        floe.el("p", {}, "A larger model can write along, token by token, or answer beside it."),
        floe.el(
          "p",
          {},
          floe.press("Choose a cloud", () => floe.setCloud(true)),
        ),
      ];
    }
    const standsIn = cloud === "stand-in";
    const together = standsIn
      ? " and a larger model that stands in for the cloud write the answer together, token by " +
        "token. Both run on this device, so that you can try it without a cloud."
      : " on this device and the cloud write the answer together, token by token.";
    return [
      floe.el("p", {}, model, together),
      floe.el("p", {}, "Move the slider while it writes: the next words follow it."),
      floe.el(
        "p",
        {},
        "Or press ",
        floe.el("b", {}, "Side by side"),
        `: this device, both and ${standsIn ? "the stand-in" : "the cloud"} each answer the same ` +
          "question.",
      ),
    ];
  };

  const welcome = () => {
    const sheet = floe.el(
      "div",
      { className: "welcome" },
      floe.el("h2", {}, "Ask something"),
      ...whoAnswers(),
      floe.el("ul", { "aria-label": "Examples" }, ...floe.examples.map(example)),
    );
    list.replaceChildren(sheet);
  };

  /**
   * Entries for `rows`, those of the same message again.
   *
   * @type {(rows: ThreadRow[]) => Entry[]}
   */
  const entriesOf = (rows) => {
    const known = new Map(entries.map((entry) => [entry.id, entry]));
    return rows.map((row) => Object.assign(known.get(row.id) ?? makeEntry(row), { data: row }));
  };

  /**
   * Rows `first` and following of the branch to `leaf`, into what is there. What stands before
   * them stays if it joins them (ancestors of a message are always the same), what stands after
   * them if the branch is the same.
   *
   * @type {(value: ThreadRows) => void}
   */
  const merge = (value) => {
    const same = value.conversation === view.conversation && value.conversation !== null;
    const begin = view.first;
    const end = begin + entries.length;
    const stop = value.first + value.rows.length;
    const branch = same && value.leaf === view.leaf;
    const joins = branch
      ? begin <= stop && end >= value.first
      : same && entries[value.first - begin]?.id === value.rows[0]?.id;
    const before = joins ? entries.slice(0, Math.max(value.first - begin, 0)) : [];
    const after = joins && branch ? entries.slice(Math.max(stop - begin, 0)) : [];
    const fresh = entriesOf(value.rows);
    view = {
      conversation: value.conversation,
      leaf: value.leaf,
      generation: value.generation,
      first: before.length ? begin : value.first,
      total: value.total,
    };
    entries = [...before, ...fresh, ...after];
  };

  const draw = () => {
    const value = props.value;
    if (!value) return;
    const other = value.conversation !== view.conversation;
    if (other) floe.closeCard();
    const grown = !other && value.leaf !== view.leaf && value.focus === null;
    merge(value);
    surroundings.keepEditing((id) => entries.some((entry) => entry.id === id));
    drawEntries();
    if (!view.total) welcome();
    if (!view.total) {
      scroll.stay();
      log.scrollTop = 0;
    } else if (value.focus !== null && focused !== value.generation) focus(value);
    else if (other || (grown && !value.calm)) scroll.toEnd();
    else scroll.keep();
    focused = value.generation;
    floe.tellDraft?.();
    floe.nameChat(value.conversation);
    reach();
  };

  const box = () => {
    const found = floe.find("#prompt textarea");
    return found instanceof HTMLTextAreaElement ? found : null;
  };

  const focus = (/** @type {ThreadRows} */ value) => {
    const entry = entries.find((each) => each.id === value.focus);
    if (!entry) return;
    scroll.stay();
    const show = () => entry.row.scrollIntoView({ block: value.flash ? "center" : "nearest" });
    show();
    requestAnimationFrame(show); // once the rows beside it have their true heights
    if (!value.flash) return;
    entry.row.classList.add("found");
    setTimeout(() => entry.row.classList.remove("found"), 1600);
  };

  /**
   * Fetch rows of the branch in view, unless it is another one by the time they are here.
   *
   * @type {(first: number, end: number) => Promise<ThreadRow[] | null>}
   */
  const fetchRows = async (first, end) => {
    const { conversation, leaf } = view;
    if (conversation === null || leaf === null) return null;
    asking = true;
    const reply = await server.window([conversation, leaf, first, end]);
    asking = false;
    const stands = conversation === view.conversation && leaf === view.leaf;
    return reply && stands ? reply.rows : null;
  };

  /** Fetch what is missing above or below the view, and let go what is far from it. */
  const reach = async () => {
    latest.hidden = scroll.atEnd && view.first + entries.length === view.total;
    if (asking || !log.clientHeight || !entries.length) return;
    const room = 1.5 * log.clientHeight;
    const end = view.first + entries.length;
    if (view.first > 0 && log.scrollTop < room) {
      const from = Math.max(view.first - floe.windowRows, 0);
      const rows = await fetchRows(from, view.first);
      if (rows?.length) addBefore(rows, from);
    } else if (end < view.total && log.scrollHeight - log.scrollTop - log.clientHeight < room) {
      const rows = await fetchRows(end, end + floe.windowRows);
      if (rows?.length) addAfter(rows);
    }
  };

  /** @type {(rows: ThreadRow[], from: number) => void} */
  const addBefore = (rows, from) => {
    const anchor = entries[0].row;
    const place = anchor.getBoundingClientRect().top;
    entries = [...entriesOf(rows), ...entries];
    view.first = from;
    if (entries.length > floe.mostRows) entries.length = floe.mostRows - floe.windowRows;
    drawEntries();
    log.scrollTop += anchor.getBoundingClientRect().top - place;
    scroll.keep();
  };

  const addAfter = (/** @type {ThreadRow[]} */ rows) => {
    const anchor = entries[entries.length - 1].row;
    const place = anchor.getBoundingClientRect().top;
    entries = [...entries, ...entriesOf(rows)];
    if (entries.length > floe.mostRows) {
      const gone = 2 * floe.windowRows;
      entries = entries.slice(gone);
      view.first += gone;
    }
    drawEntries();
    log.scrollTop += anchor.getBoundingClientRect().top - place;
    scroll.keep();
  };

  const goToEnd = async () => {
    if (view.first + entries.length < view.total) {
      const first = Math.max(view.total - floe.windowRows, 0);
      const rows = await fetchRows(first, view.total);
      if (!rows?.length) return;
      entries = entriesOf(rows);
      view.first = first;
      drawEntries();
    }
    scroll.toEnd();
    log.focus({ preventScroll: true });
  };

  /** One frame of a running answer; of another view than this one it is too late for it. */
  floe.showFrame = ({ generation, row, figures, context }) => {
    if (generation !== view.generation) return;
    floe.showFigures?.(figures);
    floe.showContext?.(context);
    const entry = entries.at(-1);
    if (!entry || entry.id !== row.id) return; // its end is not loaded
    drawEntry(entry, row, true);
    scroll.keep();
  };

  const scroll = floe.followEnd(log, () => reach());
  floe.onCloudKind((kind) => {
    cloud = kind;
    if (props.value && !view.total) welcome();
  });
  watch("value", draw);
  draw();
};

floe.live = ({ props, watch }) => {
  watch("value", () => props.value && floe.showFrame?.(props.value));
};
