// The personalise view in three steps, what is learnt from, the plan, the result; and the adapters.
"use strict";

/** Asked once, where it acts: a card in the view, until it is answered. */
floe.consentCard = (question, note, answer) => {
  const card = floe.el("section", { className: "sheet asks" });
  card.setAttribute("aria-label", question);
  card.append(
    floe.el("h2", {}, question),
    floe.el("p", {}, note),
    floe.el(
      "div",
      { className: "row" },
      floe.press("Yes", () => answer(true), "primary"),
      floe.press("No", () => answer(false)),
    ),
  );
  return card;
};

/** Bytes: what fits into one event with room for base64. */
const MOST_IMPORTED = 45e6;
/** Chats to learn from that are drawn before somebody wants to see all: the plan is below them. */
const FIRST_CHATS = 30;

floe.learning = (part) => {
  const { element, trigger, server } = part;
  const card = floe.consentCard(
    "May Floe learn from your chats, on this device?",
    "It happens on this device and nothing is sent. You can change this for a single chat in its menu.",
    (allowed) => trigger("allow", { use: "train", allowed }),
  );
  const allowed = floe.toggle("Floe may learn from my chats, on this device", (on) =>
    trigger("allow", { use: "train", allowed: on }),
  );
  const sentence = floe.el("p", { role: "status" });
  const list = floe.el("ul", { className: "plain-list chats" });
  /** @type {LearningChatValue[]} */
  let chats = [];
  let all = false;
  const rest = floe.press("", () => {
    all = true;
    drawChats();
    const next = list.children[FIRST_CHATS]?.querySelector("input");
    next?.focus({ preventScroll: true });
  });
  const privately = floe.toggle("Learn from private ones, too", (on) =>
    trigger("privately", { on }),
  );
  const privateNote = floe.el("p", { className: "faint" });
  const privateOnes = floe.el("div", { className: "privately" }, privateNote, privately);
  const bring = floe.press(
    "Import",
    () =>
      floe.pickFile(".json,.jsonl,.ndjson,.txt,.csv,.zip", MOST_IMPORTED, (data, name) => {
        tooLarge.hidden = data !== null;
        if (data !== null) trigger("bring", { data, name });
      }),
    "",
    "load",
  );
  bring.title =
    "Add chats from ChatGPT, Claude, Gemini, Copilot, Open WebUI, LM Studio, WhatsApp, Telegram " +
    "and others: a .json, .jsonl, .txt, .csv or .zip file";
  const tooLarge = floe.el(
    "p",
    { className: "faint", hidden: true },
    `A file of more than ${floe.bytes(MOST_IMPORTED)} is brought in on the command line: ` +
      "floe import FILE. Of a large zip, unpack conversations.json and choose that.",
  );
  tooLarge.setAttribute("role", "alert");
  const imports = floe.el("ul", { className: "plain-list imports" });
  const save = floe.press("Export", () => trigger("export"), "", "save");
  save.title = "Save the chosen chats as a JSONL file";
  const people = floe.el("ul", { className: "plain-list imports" });
  const examples = floe.el(
    "section",
    { "aria-label": "Invented people" },
    floe.el("h3", {}, "Or try it with the chats of somebody else"),
    floe.el(
      "p",
      { className: "faint" },
      "These people and their chats are invented. Their chats come in beside yours, and you can " +
        "take them away again.",
    ),
    people,
  );
  const sheet = floe.sheet(
    "1. What it may learn from",
    card,
    allowed,
    tooLarge,
    sentence,
    privateOnes,
    list,
    rest,
    imports,
    examples,
  );
  sheet.head.append(floe.el("div", { className: "row" }, bring, save));
  element.append(
    floe.heading(
      "Personalise",
      "Train a small adapter on your own chats, so that the model on this device answers more like " +
        "you want it to. All of it happens here.",
    ),
    sheet,
  );
  const open = new Set();

  const rowLine = (/** @type {LearningAnswerValue} */ row) => {
    const use = floe.el("input", { type: "checkbox", checked: !row.left_out });
    use.disabled = Boolean(row.left_out) && !row.by_hand;
    use.onchange = () => trigger("leave", { message: row.message, out: !use.checked });
    use.setAttribute("aria-label", `Use this answer: ${row.answer.slice(0, 60)}`);
    const marks = [
      row.left_out && `left out: ${row.left_out}`,
      !row.left_out && row.split === "held_out" && "set aside for testing",
      row.rewritten && "your own words",
      row.weight > 1 && "liked, counts more",
    ].filter(Boolean);
    const words = floe.el(
      "div",
      {},
      floe.el("p", { className: "asked" }, row.question),
      floe.el("p", { className: "told" }, row.answer),
    );
    if (marks.length) words.append(floe.el("small", {}, marks.join(" · ")));
    return floe.el("li", { className: row.left_out ? "out" : "" }, use, words);
  };

  const importLine = (/** @type {ImportValue} */ each) => {
    const undo = floe.ask(
      floe.press("Undo", null, "", "bin"),
      "Take out all chats that it brought?",
      "Take out",
      () => trigger("undo", { id: each.id }),
    );
    undo.title = `Undo the import of ${each.title}`;
    const buttons = floe.el("div", { className: "row" }, undo);
    if (each.can_swap)
      buttons.prepend(
        floe.press("It is the other way round", () => trigger("swap", { id: each.id })),
      );
    return floe.el(
      "li",
      {},
      floe.el("div", {}, floe.el("b", {}, each.title), floe.el("p", {}, each.sentence)),
      buttons,
    );
  };

  const personLine = (/** @type {ExampleValue} */ each) => {
    const chats = `the chats of ${each.name}`;
    const away = () => {
      if (each.added !== null) trigger("undo", { id: each.added, own: each.used });
    };
    const button =
      each.added === null
        ? floe.press(`Add ${chats}`, () => trigger("example", { name: each.file }))
        : each.used
          ? floe.ask(
              floe.press(`Take away ${chats}`, null, "", "bin"),
              "What you wrote in them goes, too.",
              "Take away",
              away,
            )
          : floe.press(`Take away ${chats}`, away, "", "bin");
    return floe.el(
      "li",
      {},
      floe.el("div", {}, floe.el("b", {}, each.title), floe.el("p", {}, each.manner)),
      floe.el("div", { className: "row" }, button),
    );
  };

  /** @type {(id: number, place: HTMLElement) => Promise<void>} */
  const fill = async (id, place) => {
    const rows = (await server.rows(id)) ?? [];
    place.replaceChildren(...rows.map(rowLine));
  };

  const chatLine = (/** @type {LearningChatValue} */ chat) => {
    const use = floe.el("input", { type: "checkbox", checked: chat.chosen });
    use.setAttribute("aria-label", `Learn from “${chat.title}”`);
    use.onchange = () => trigger("choose", { id: chat.id, on: use.checked });
    const rows = floe.el("ul", { className: "plain-list answers" });
    const details = floe.el("details", { open: open.has(chat.id) });
    const facts = floe.el("span", { className: "facts" }, chat.facts);
    const title = floe.el("b", { dir: "auto" }, chat.title);
    details.append(floe.el("summary", {}, floe.chevron(), title, facts), rows);
    details.ontoggle = () => {
      if (!details.open) return open.delete(chat.id);
      open.add(chat.id);
      return fill(chat.id, rows);
    };
    if (details.open) fill(chat.id, rows);
    return floe.el("li", { className: chat.chosen ? "" : "out" }, use, details);
  };

  const drawChats = () => {
    list.replaceChildren(...(all ? chats : chats.slice(0, FIRST_CHATS)).map(chatLine));
    rest.hidden = all || chats.length <= FIRST_CHATS;
    rest.textContent = `Show all ${chats.length.toLocaleString("en")} chats`;
  };

  floe.onChange(part, (value) => {
    card.hidden = value.consent !== null;
    allowed.hidden = value.consent === null;
    allowed.set(value.consent === true);
    sentence.textContent = value.sentence;
    privately.set(value.with_private);
    privateNote.textContent = value.private;
    privateNote.hidden = !value.private;
    privateOnes.hidden = !value.chats.length;
    save.disabled = !value.chats.length;
    chats = value.chats;
    drawChats();
    imports.replaceChildren(...value.imports.map(importLine));
    examples.hidden = !value.examples.length;
    people.replaceChildren(...value.examples.map(personLine));
  });
};

/** The automatic weight: whether the cloud is asked about answers kept aside, and how it stands. */
floe.ownWeight = (part) => {
  const ask = floe.toggle(
    "Ask the cloud about a few of the answers set aside, to find the best weight",
    (on) => part.trigger("set", { on }),
  );
  const note = floe.el(
    "p",
    { className: "faint" },
    "After each training, up to 12 of your own answers are sent, each with the chat before it, in at " +
      "most 60 requests. Nothing private and nothing that you keep on this device is sent.",
  );
  const reason = floe.el("p", { role: "status" });
  const fit = floe.press("Fit it now", () => part.trigger("fit"));
  part.element.append(
    floe.sheet("Automatic weight", reason, ask, note, floe.el("div", { className: "row" }, fit)),
  );
  floe.onChange(part, (value) => {
    ask.set(value.on);
    reason.textContent = value.running ? "It is being fitted to how you write." : value.reason;
    fit.hidden = !value.on;
    fit.disabled = !value.can_fit;
  });
};

floe.adapters = (part) => {
  const { element, trigger } = part;
  const list = floe.el("ul", { className: "plain-list adapters" });
  const none = floe.el(
    "p",
    { className: "empty" },
    "No adapters yet: the first training makes one.",
  );
  const path = floe.el("input", {
    type: "text",
    placeholder: "/home/me/adapter",
    spellcheck: false,
  });
  const add = floe.press("Add an adapter", () => {
    if (path.value.trim()) trigger("bring", { place: path.value.trim() });
  });
  path.onkeydown = (event) => {
    if (event.key === "Enter") add.click();
  };
  element.append(
    floe.sheet(
      "Adapters",
      none,
      list,
      floe.field(
        "Made elsewhere",
        path,
        "A folder that peft saved, a zip of one, or a GGUF adapter, on this device and for the " +
          "model in use. A copy is kept.",
      ),
      floe.el("div", { className: "row" }, add),
    ),
  );
  const strength = (/** @type {number} */ scale) => `${Math.round(scale * 100)}%`;

  const line = (/** @type {AdapterValue} */ each) => {
    const name = floe.el("input", { value: each.name, maxLength: 60, className: "name" });
    name.setAttribute("aria-label", "Name of the adapter");
    name.onchange = () => trigger("rename", { id: each.id, name: name.value });
    name.onkeydown = (event) => {
      if (event.key === "Enter") name.blur();
    };
    const use = floe.toggle("In use", (on) => trigger("switch", { id: each.id, on }));
    use.set(each.in_use);
    use.disabled = !each.fits && !each.in_use;
    const scale = floe.el("input", {
      type: "range",
      min: "0",
      max: String(each.largest_scale),
      step: "0.05",
      value: String(each.scale),
    });
    scale.setAttribute("aria-label", `How strongly “${each.name}” acts`);
    const shown = floe.el("output", {}, strength(each.scale));
    scale.oninput = () => {
      shown.textContent = strength(Number(scale.value));
    };
    scale.onchange = () => trigger("strengthen", { id: each.id, scale: Number(scale.value) });
    const drop = floe.ask(floe.press("Delete", null, "", "bin"), "Delete for good?", "Delete", () =>
      trigger("delete", { id: each.id }),
    );
    const save = (/** @type {KindAsked["kind"]} */ kind) =>
      floe.press(kind.toUpperCase(), () => trigger("export", { id: each.id, kind }), "", "save");
    const [peft, gguf] = [save("peft"), save("gguf")];
    const merged = floe.press(
      "Whole model",
      () => trigger("export", { id: each.id, kind: "merged" }),
      "",
      "save",
    );
    merged.disabled = !each.fits;
    merged.title = "Save the model with this adapter in it, as one GGUF";
    peft.title = "Save as a zip that peft loads";
    gguf.title = "Save as a GGUF adapter that llama.cpp loads";
    const buttons = floe.el("div", { className: "row" }, peft, gguf, merged, drop);
    return floe.el(
      "li",
      { className: each.in_use ? "" : "off" },
      floe.el("div", { className: "row between" }, name, use),
      floe.el("p", {}, each.facts),
      floe.el(
        "div",
        { className: "row between" },
        floe.el("label", { className: "scale" }, "Strength", scale, shown),
        buttons,
      ),
    );
  };

  const draw = floe.lines(list, line);
  floe.onChange(part, (value) => {
    none.hidden = value.rows.length > 0;
    draw(value.rows);
  });
};

floe.select = (label, options, onchange) => {
  const select = floe.el("select");
  for (const [value, text] of options) select.append(floe.el("option", { value }, text));
  select.onchange = () => onchange(select.value);
  const field = floe.field(label, select);
  const set = (/** @type {string | number | null} */ value) => {
    select.value = value === null ? "" : String(value);
  };
  return Object.assign(field, { set });
};

floe.plan = (part) => {
  const { element, trigger } = part;
  /** @type {(name: LimitAsked["name"]) => (value: string) => void} */
  const number = (name) => (value) =>
    trigger("limit", { name, value: value ? Number(value) : null });
  const memory = floe.select(
    "Memory it may take",
    [
      ["", "What is free"],
      ["1000", "1 GB"],
      ["1500", "1.5 GB"],
      ["2000", "2 GB"],
      ["4000", "4 GB"],
      ["8000", "8 GB"],
      ["16000", "16 GB"],
      ["32000", "32 GB"],
    ],
    number("memory_mb"),
  );
  const deadline = floe.select(
    "Time it may take",
    [
      ["20", "20 seconds"],
      ["60", "1 minute"],
      ["300", "5 minutes"],
      ["1800", "30 minutes"],
      ["", "As long as it needs"],
    ],
    number("deadline_s"),
  );
  const start = floe.select(
    "Start",
    [
      ["", "From what is in use"],
      ["1", "Afresh"],
    ],
    (value) => trigger("limit", { name: "afresh", value: Boolean(value) }),
  );
  const words = floe.el("p", { role: "status", className: "words" });
  const reason = floe.el("p", { className: "reason" });
  const details = floe.el("details", { className: "more" });
  details.append(
    floe.el("summary", {}, floe.chevron(), "Limits and figures"),
    floe.el("div", { className: "pair three" }, memory, deadline, start),
    reason,
  );
  const allow = floe.press(
    "Allow learning",
    () => trigger("allow", { use: "train", allowed: true }),
    "primary",
  );
  const begin = floe.press("Train", () => trigger("begin"), "primary");
  begin.id = "train";
  element.append(
    floe.sheet("2. The plan", words, floe.el("div", { className: "row" }, allow, begin), details),
  );
  floe.onChange(part, (value) => {
    memory.set(value.memory_mb);
    deadline.set(value.deadline_s);
    start.hidden = !value.can_go_on;
    start.set(value.afresh ? "1" : null);
    words.textContent = value.words;
    reason.textContent = value.reason;
    allow.hidden = !value.asks;
    begin.hidden = value.asks;
    begin.disabled = !value.ready;
  });
};

floe.run = (part) => {
  const { element, trigger } = part;
  const verdict = floe.el("h3", { className: "verdict" });
  const title = floe.el("p", { role: "status", className: "state" });
  const bar = floe.el("progress", { max: 1 });
  bar.setAttribute("aria-label", "Progress of the training");
  const left = floe.el("span", { className: "faint" });
  const cancel = floe.press("Cancel", () => trigger("cancel"));
  const resume = floe.press("Resume", () => trigger("resume"), "primary");
  const chart = floe.chart("step", "loss");
  const figures = floe.el("dl", { className: "figures" });
  const trial = floe.el("table", { className: "trial" });
  const result = floe.el("div", { className: "result" });
  const progress = floe.el("div", { className: "row progress" }, bar, left, cancel, resume);
  const measured = floe.el("p", { className: "faint" });
  const details = floe.el("details", { className: "more" });
  details.append(
    floe.el("summary", {}, floe.chevron(), "How it was measured"),
    measured,
    trial,
    figures,
    chart,
    result,
  );
  /** @type {SampleValue | null} */
  let last = null;
  const question = floe.el("input", { maxLength: 2000, placeholder: "How do I …?" });
  question.setAttribute("aria-label", "A question of your own");
  const both = floe.press("Ask both", null);
  both.type = "submit";
  const form = floe.el("form", { className: "row ask-both" }, question, both);
  form.onsubmit = (event) => {
    event.preventDefault();
    if (!question.value.trim()) return question.focus();
    if (question.value.trim() !== last?.question)
      asked.replaceChildren(floe.el("p", { className: "faint" }, "Both are answering."));
    trigger("compare", { question: question.value });
  };
  const asked = floe.el("div", { className: "result" });
  asked.setAttribute("role", "status");
  const own = floe.el(
    "section",
    { className: "own" },
    floe.el("h3", {}, "Ask it something of your own"),
    form,
    asked,
  );
  const sheet = floe.sheet("3. The result", verdict, title, progress, own, details);
  element.append(sheet);

  const trialHead = floe.el(
    "tr",
    {},
    floe.el("td"),
    floe.el("th", { scope: "col" }, "Before"),
    floe.el("th", { scope: "col" }, "With the new adapter"),
  );
  const trialLine = (/** @type {RunValue["trial"][number]} */ [name, before, after]) =>
    floe.el(
      "tr",
      {},
      floe.el("th", { scope: "row" }, name),
      floe.el("td", {}, before),
      floe.el("td", {}, after),
    );

  const sample = (/** @type {SampleValue} */ each) => {
    /** @type {(name: string, text: string) => HTMLElement} */
    const side = (name, text) =>
      floe.el("div", {}, floe.el("h4", {}, name), floe.el("p", { className: "told" }, text));
    const section = floe.el(
      "section",
      { className: "sample" },
      floe.el("p", { className: "asked" }, each.question),
      floe.el(
        "div",
        { className: "pair" },
        side("Before", each.before),
        side("With the new adapter", each.after),
      ),
    );
    const note = each.own ? `Your own answer was:\n${each.own}` : each.note;
    if (note) section.append(floe.el("small", { className: "faint" }, note));
    return section;
  };

  let ended = "";
  floe.onChange(part, (value) => {
    sheet.hidden = !value.status;
    if (!value.status) return;
    verdict.hidden = !value.verdict;
    verdict.textContent = value.verdict;
    verdict.classList.toggle("good", value.good);
    title.textContent = value.sentence;
    measured.textContent = value.measured;
    measured.hidden = !value.measured;
    // The curve is there to be watched while it grows; then the verdict is what counts.
    if (value.status !== ended) details.open = value.running;
    ended = value.status;
    bar.hidden = !value.running;
    if (value.progress === null) bar.removeAttribute("value");
    else bar.value = value.progress;
    left.textContent = value.left;
    progress.hidden = !value.running && !value.can_resume;
    cancel.hidden = !value.running || value.stopping;
    resume.hidden = !value.can_resume;
    chart.hidden = !value.series.some((each) => each.points.length);
    chart.update(value.series);
    figures.replaceChildren(
      ...value.figures.map(({ name, value: text }) =>
        floe.el("div", {}, floe.el("dt", {}, name), floe.el("dd", {}, text)),
      ),
    );
    trial.hidden = !value.trial.length;
    trial.replaceChildren(trialHead, ...value.trial.map(trialLine));
    result.replaceChildren(...value.samples.map(sample));
    own.hidden = !value.can_ask;
    if (JSON.stringify(value.asked) === JSON.stringify(last)) return;
    last = value.asked;
    asked.replaceChildren(...(last ? [sample(last)] : []));
  });
};
