// The drawer "Advanced": how tokens are picked.
"use strict";

floe.samplingFields = [
  [
    "temperature",
    "Temperature",
    0,
    5,
    0.05,
    "0 always takes the likeliest token. Higher is freer.",
  ],
  ["top_p", "Top-p", 0.01, 1, 0.01, "Only the likeliest tokens that hold this share. 1 is off."],
  ["top_k", "Top-k", 0, 1000000, 1, "Only this many of the likeliest tokens. 0 is off."],
  ["min_p", "Min-p", 0, 1, 0.01, "No token below this share of the likeliest one. 0 is off."],
  [
    "repeat_penalty",
    "Repetition penalty",
    1,
    2,
    0.01,
    "Makes words that are already in the answer less likely. 1 is off.",
  ],
  [
    "dry_multiplier",
    "DRY penalty",
    0,
    5,
    0.1,
    "Keeps whole passages from being repeated. 0 is off.",
  ],
  ["max_tokens", "Longest answer", 1, 65536, 1, "In tokens; an English word is about 1.3 of them."],
  [
    "seed",
    "Seed",
    0,
    9007199254740991,
    1,
    "The same number gives the same answer again. Empty: a new one each time.",
  ],
];

/** What was marked in a chat last: fills in `{{selection}}` of a preset. */
floe.selection = "";

document.addEventListener("selectionchange", () => {
  const marked = document.getSelection();
  const text = marked?.toString().trim();
  const log = floe.find("#chat .log");
  if (text && marked?.anchorNode && log?.contains(marked.anchorNode)) {
    floe.selection = text.slice(0, 8000);
  }
});

/** Fill in the variables of a text that goes into the message box. */
floe.fillVariables = (text) => {
  const now = new Date();
  const say = (/** @type {Intl.DateTimeFormatOptions} */ how) => now.toLocaleString("en-GB", how);
  /** @type {Record<string, string>} */
  const values = {
    date: say({ day: "numeric", month: "long", year: "numeric" }),
    time: say({ hour: "2-digit", minute: "2-digit" }),
    weekday: say({ weekday: "long" }),
  };
  return text.replace(/\{\{\s*(date|time|weekday)\s*\}\}/g, (_, name) => values[name]);
};

/** The system prompt of the chat in view, and texts that are kept by name. */
floe.promptSheet = (trigger) => {
  /** @type {number | null} The chat in which it was typed: another one may be open when it is told. */
  let chat = null;
  const system = floe.whenTyped(
    floe.el("textarea", { rows: 3, dir: "auto", maxLength: 20000 }),
    (text) => trigger("tell", { chat, text }),
  );
  system.addEventListener("input", () => {
    chat = floe.chat ?? null;
  });
  const state = floe.el("div", { role: "status" });
  const select = floe.el("select", {});
  const name = floe.el("input", { type: "text", maxLength: 60, placeholder: "A name" });
  /** @type {PresetValue[]} */
  let presets = [];
  const chosen = () => presets.find((each) => each.name === select.value);

  const filled = () => {
    const text = chosen()?.text ?? "";
    const marked = /\{\{\s*selection\s*\}\}/g;
    state.textContent =
      marked.test(text) && !floe.selection
        ? "Mark some text in the chat first, then press again."
        : "";
    return state.textContent ? "" : text.replace(marked, () => floe.selection);
  };
  const tell = floe.press("Use as system prompt", () => {
    const text = filled();
    if (!text) return;
    system.value = text;
    trigger("tell", { chat: floe.chat ?? null, text });
  });
  const write = floe.press("Put into the message", () => {
    const text = floe.fillVariables(filled());
    const box = floe.find("#prompt textarea");
    if (!text || !(box instanceof HTMLTextAreaElement)) return;
    floe.typeText(box, box.value ? `${box.value}\n\n${text}` : text);
    const drawer = box.closest("#dock")?.querySelector("#advanced details");
    if (drawer instanceof HTMLDetailsElement) drawer.open = false;
    box.focus();
  });
  const drop = floe.press(
    "Delete preset",
    () => trigger("drop", { name: select.value }),
    "",
    "bin",
  );
  const save = floe.press("Save as preset", () => {
    trigger("save", { name: name.value, text: system.value });
    name.value = "";
  });
  name.onkeydown = (event) => {
    if (event.key === "Enter") save.click();
  };
  const show = () => {
    drop.hidden = !chosen()?.own;
    tell.disabled = write.disabled = !chosen();
    select.title = chosen()?.text ?? "";
    state.textContent = chosen()?.text ?? "";
  };
  select.onchange = show;
  name.setAttribute("aria-label", "Name of the preset");
  const node = floe.el(
    "div",
    { className: "prompt-sheet" },
    floe.field(
      "System prompt of this chat",
      system,
      "{{date}}, {{time}} and {{weekday}} are filled in with each question. If something in it is " +
        "private, the cloud is not told.",
    ),
    floe.el("div", { className: "row" }, name, save),
    floe.field(
      "Presets",
      select,
      "{{selection}} becomes the text that you last marked in the chat.",
    ),
    floe.el("div", { className: "row" }, tell, write, drop),
    state,
  );
  /** @type {(value: AdvancedValue) => void} */
  const update = (value) => {
    system.put(value.system);
    system.placeholder = `As in all chats: ${value.general_system}`;
    const same = JSON.stringify(value.presets) === JSON.stringify(presets);
    presets = value.presets;
    if (same) return;
    const before = select.value;
    const none = floe.el("option", { value: "" }, "Choose one");
    const option = (/** @type {PresetValue} */ each) =>
      floe.el("option", { value: each.name }, each.name);
    select.replaceChildren(none, ...presets.map(option));
    select.value = presets.some((each) => each.name === before) ? before : "";
    show();
  };
  return Object.assign(node, { update });
};

floe.advanced = (part) => {
  const { element, trigger } = part;
  /** @type {"all" | "chat"} */
  let scope = floe.recall("advanced") === "chat" ? "chat" : "all";
  const scopes = floe.choice(
    "These settings are for",
    [
      ["all", "All chats"],
      ["chat", "This chat"],
    ],
    (chosen) => {
      scope = chosen;
      scopes.set(scope, true); // nobody else says what it is
      floe.remember("advanced", chosen === "chat" ? "chat" : null);
      if (part.props.value) draw(part.props.value);
    },
  );
  scopes.set(scope);
  const prompts = floe.promptSheet(trigger);
  const numbers = floe.samplingFields.map(([name, label, min, max, step, note]) => {
    const input = floe.el("input", {
      type: "number",
      min: String(min),
      max: String(max),
      // Any number is taken: the arrows go in steps, and what is typed need not.
      step: String(step),
      inputMode: step < 1 ? "decimal" : "numeric",
    });
    input.onchange = () => {
      const typed = input.value === "" ? null : Number(input.value);
      const kept = typed === null ? null : Math.min(Math.max(typed, min), max);
      const value = kept !== null && step === 1 ? Math.round(kept) : kept;
      input.value = value === null ? "" : String(value);
      trigger("set", { name, value, scope });
    };
    return { name, input, field: floe.field(label, input, note) };
  });
  const stops = floe.whenTyped(floe.el("textarea", { rows: 2, dir: "auto" }), (text) => {
    const lines = text.split("\n").filter((line) => line !== "");
    trigger("set", { name: "stop", value: lines.length ? lines : null, scope });
  });
  const reason = floe.el("p", { role: "status" });
  const reset = floe.press("As recommended", () => {
    trigger("reset", { scope });
    opener.focus();
  });
  const note = floe.el(
    "p",
    {},
    "At temperature 0 nothing is drawn by chance, so top-p, top-k, min-p and the seed change " +
      "nothing. The cloud alone goes by temperature, top-p, length and stop texts.",
  );
  const opener = floe.el("summary", {}, "Advanced");
  const sheet = floe.el(
    "div",
    { role: "group" },
    scopes,
    prompts,
    ...numbers.map(({ field }) => field),
    floe.field("Stop before", stops, "One text a line. The answer ends before the first of them."),
    note,
    reason,
    reset,
  );
  sheet.setAttribute("aria-label", "How tokens are picked");
  const drawer = floe.el("details", { className: "menu" }, opener, sheet);
  floe.closeOutside(drawer);
  element.append(drawer);
  const draw = (/** @type {AdvancedValue} */ all) => {
    const here = scope === "chat";
    const value = here ? all.chat : all.general;
    prompts.hidden = !here;
    prompts.update(all);
    for (const { name, input } of numbers) {
      const now = value[name];
      if (document.activeElement !== input) input.value = now === null ? "" : String(now);
    }
    stops.put(value.stop.join("\n"));
    const own = numbers
      .filter(({ name }) => value.chosen.includes(name))
      .map(({ field }) => field.firstElementChild?.textContent ?? "");
    if (value.chosen.includes("stop")) own.push("Stop before");
    const set = own.length ? `Set by you: ${own.join(", ")}. For the others: ` : "";
    reason.textContent = here
      ? own.length
        ? `Set for this chat: ${own.join(", ")}. The others are the same as in all chats.`
        : "The same settings as in all chats."
      : `${set}${all.reason}`;
    reset.textContent = here ? "Use the settings of all chats" : "As recommended";
    reset.hidden = own.length === 0 && !(here && all.system);
    const special = all.system !== "" || all.chat.chosen.length > 0;
    opener.classList.toggle("special", special);
    opener.title = special ? "This chat has settings of its own" : "How tokens are picked";
  };
  floe.onChange(part, draw);
};
