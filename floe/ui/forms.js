// Small controls that the views share: switches, choices, questions in place.
"use strict";

/**
 * What the person has just chosen stands for a moment, whatever comes from the server: an answer
 * that was on its way knows nothing of it yet. Then what the server said last is shown, be it that
 * the choice was not taken. `fresh`: the control stands for something else now.
 */
floe.steady = (show) => {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let held;
  /** @type {{ value: Parameters<typeof show>[0] } | null} */
  let said = null;
  const release = () => {
    clearTimeout(held);
    held = undefined;
    if (said) show(said.value);
  };
  return {
    hold: () => {
      clearTimeout(held);
      held = setTimeout(release, 2500);
    },
    set: (value, fresh = false) => {
      said = { value };
      if (fresh || held === undefined) release();
    },
  };
};

/** A switch with its label; `set(on)` moves it without telling, `steady` as it is. */
floe.toggle = (label, onchange, className = "") => {
  const button = floe.el("button", {
    type: "button",
    role: "switch",
    className: `toggle ${className}`,
  });
  button.append(floe.el("span", {}, label), floe.el("i"));
  const show = (/** @type {boolean} */ on) => {
    button.setAttribute("aria-checked", String(Boolean(on)));
  };
  const steady = floe.steady(show);
  const node = Object.assign(button, { set: steady.set });
  node.set(false);
  node.onclick = () => {
    const on = node.getAttribute("aria-checked") !== "true";
    show(on);
    steady.hold();
    onchange(on);
  };
  return node;
};

floe.choices = 0;

/** One of a few; `options` are pairs of value and label; `set` as that of a switch. */
floe.choice = (legend, options, onchange) => {
  const name = `choice-${++floe.choices}`;
  const inputs = options.map(([value]) => {
    const input = floe.el("input", { type: "radio", name, value });
    input.onchange = () => {
      steady.hold();
      onchange(value);
    };
    return input;
  });
  const labels = options.map(([, label], i) =>
    floe.el("label", {}, inputs[i], floe.el("span", {}, label)),
  );
  const row = floe.el("div", { className: "options" }, ...labels);
  const node = floe.el("fieldset", { className: "choice" }, floe.el("legend", {}, legend), row);
  const steady = floe.steady((/** @type {string} */ value) => {
    for (const input of inputs) input.checked = input.value === value;
  });
  return Object.assign(node, { set: steady.set });
};

/** A button with words; `kind` is `primary`, `danger` or nothing. */
floe.press = (text, onclick, kind = "", icon = "") => {
  const node = floe.el("button", { type: "button", className: `press ${kind}`, onclick });
  if (icon) node.append(floe.icon(icon));
  node.append(text);
  return node;
};

/** A button that asks once more, in its own place, before it acts. */
floe.ask = (button, question, yes, act) => {
  const place = floe.el("span", { className: "ask" }, button);
  button.onclick = () => {
    const keep = floe.press("Keep", () => {
      place.replaceChildren(button);
      button.focus();
    });
    const drop = floe.press(
      yes,
      () => {
        place.replaceChildren(button);
        act();
      },
      "danger",
    );
    place.onkeydown = (event) => {
      if (event.key === "Escape") keep.click();
    };
    const asked = floe.el("span", { role: "group", className: "asking" });
    asked.setAttribute("aria-label", question);
    asked.append(floe.el("span", {}, question), drop, keep);
    place.replaceChildren(asked);
    keep.focus();
  };
  return place;
};

/** A label above a field, with a line of explanation below where there is one. */
floe.field = (label, input, note = "") => {
  const node = floe.el("label", { className: "field" }, floe.el("span", {}, label), input);
  if (note) node.append(floe.el("small", {}, note));
  return node;
};

floe.closeOutside = (details) => {
  document.addEventListener("pointerdown", (event) => {
    const inside = event.target instanceof Node && details.contains(event.target);
    if (details.open && !inside) details.open = false;
  });
  details.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !details.open) return;
    details.open = false;
    details.querySelector("summary")?.focus();
  });
};

/** A file that the person picks, as text; nothing of it lies in a temporary folder. */
floe.pickText = (accept, take) => {
  const input = floe.el("input", { type: "file", accept });
  input.onchange = async () => {
    const file = input.files?.[0];
    if (file) take(await file.text(), file.name);
  };
  input.click();
};

floe.pickFile = (accept, most, take) => {
  const input = floe.el("input", { type: "file", accept });
  input.onchange = () => {
    const file = input.files?.[0];
    if (!file) return;
    if (file.size > most) return take(null, file.name);
    const reader = new FileReader();
    reader.onload = () => take(String(reader.result).split(",")[1] ?? "", file.name);
    reader.readAsDataURL(file);
  };
  input.click();
};

floe.bytes = (count) => {
  if (count < 1000) return `${count} bytes`;
  const [size, unit] = count < 1e6 ? [count / 1e3, "kB"] : [count / 1e6, "MB"];
  return `${size < 10 ? size.toFixed(1) : size.toFixed(0)} ${unit}`;
};

floe.moment = (seconds) =>
  new Date(seconds * 1000).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });

floe.heading = (title, lead) =>
  floe.el("header", {}, floe.el("h1", {}, title), floe.el("p", { className: "lead" }, lead));

floe.sheet = (title, ...children) => {
  const head = floe.el("header", {}, floe.el("h2", {}, title));
  const sheet = floe.el("section", { className: "sheet" }, head, ...children);
  sheet.setAttribute("aria-label", title);
  return Object.assign(sheet, { head });
};

/** Tell a change of text once the person pauses or leaves the field. */
floe.whenTyped = (field, tell) => {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let told = field.value;
  const now = () => {
    clearTimeout(timer);
    if (field.value === told) return;
    told = field.value;
    tell(field.value);
  };
  field.oninput = () => {
    clearTimeout(timer);
    timer = setTimeout(now, 900);
  };
  field.onblur = now;
  /** Put a text there, unless the person is in the middle of typing. */
  const put = (/** @type {string} */ text) => {
    if (document.activeElement === field || field.value === text) return;
    field.value = told = text;
  };
  return Object.assign(field, { put });
};

/** The arrow of something that opens. */
floe.chevron = () => {
  const icon = floe.icon("chevron");
  icon.classList.add("chevron");
  return icon;
};
