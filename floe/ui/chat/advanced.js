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
  ["top_k", "Top-k", 0, 1000000, 1, "Only so many of the likeliest tokens. 0 is off."],
  ["min_p", "Min-p", 0, 1, 0.01, "No token below this share of the likeliest one. 0 is off."],
  [
    "repeat_penalty",
    "Repetition penalty",
    1,
    2,
    0.01,
    "Makes words that stand in the answer less likely. 1 is off.",
  ],
  [
    "dry_multiplier",
    "DRY penalty",
    0,
    5,
    0.1,
    "Keeps whole passages from coming again and again. 0 is off.",
  ],
  ["max_tokens", "Longest answer", 1, 65536, 1, "In tokens; an English word is about 1.3 of them."],
  [
    "seed",
    "Seed",
    0,
    9007199254740991,
    1,
    "The same number draws the same again. Empty: a new draw.",
  ],
];

floe.advanced = (part) => {
  const { element, trigger } = part;
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
      trigger("set", { name, value });
    };
    return { name, input, field: floe.field(label, input, note) };
  });
  const stops = floe.whenTyped(floe.el("textarea", { rows: 2, dir: "auto" }), (text) => {
    const lines = text.split("\n").filter((line) => line !== "");
    trigger("set", { name: "stop", value: lines.length ? lines : null });
  });
  const reason = floe.el("p", { role: "status" });
  const reset = floe.press("As recommended", () => {
    trigger("reset");
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
  floe.onChange(part, (value) => {
    for (const { name, input } of numbers) {
      const now = value[name];
      if (document.activeElement !== input) input.value = now === null ? "" : String(now);
    }
    stops.put(value.stop.join("\n"));
    const own = numbers
      .filter(({ name }) => value.chosen.includes(name))
      .map(({ field }) => field.firstElementChild?.textContent ?? "");
    if (value.chosen.includes("stop")) own.push("Stop before");
    reason.textContent = own.length
      ? `Set by you: ${own.join(", ")}. For the others: ${value.reason}`
      : value.reason;
    reset.hidden = own.length === 0;
    opener.title = own.length ? `Set by you: ${own.join(", ")}` : "How tokens are picked";
  });
};
