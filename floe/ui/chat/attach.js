// The paperclip: files that go with the next message, and what is told of those that went.
"use strict";

floe.mostAttached = 20_000_000;
floe.attachPatience = 30_000;

/** Give the bytes of a file in base64; rejected where it cannot be read. */
floe.readFile = (file) =>
  new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).split(",")[1] ?? "");
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });

floe.attach = (part) => {
  const { element, props, trigger } = part;
  const input = floe.el("input", {
    type: "file",
    multiple: true,
    hidden: true,
  });
  const clip = floe.button("clip", "Attach files: text, Markdown, code or PDF", () =>
    input.click(),
  );
  const list = floe.el("ul", {
    className: "attached",
    "aria-label": "Attached files",
  });
  const state = floe.el("p", {
    className: "attach-state",
    role: "status",
    hidden: true,
  });
  const again = floe.press("Try again", () => {
    if (current) read(current);
  });
  const leave = floe.press("Leave it out", () => {
    if (current) done(`${current.file.name} was left out.`);
    floe.find("#prompt textarea")?.focus();
  });
  const ways = floe.el("span", { className: "attach-ways", hidden: true }, again, leave);
  element.append(list, state, ways, input, clip);

  /** @typedef {{ file: File, chat: number | null, number: number }} Reading */
  /** @type {Reading[]} Read one after the other, each for the chat in which it was taken. */
  const queue = [];
  /** @type {Reading | null} */
  let current = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let patience;
  /** @type {{ chat: number | null, act: () => void } | null} */
  let held = null;
  /** @type {string[]} Why files that were taken together are not there. */
  const problems = [];
  let taken = 0;
  let serial = 0;

  const say = (/** @type {string} */ sentence, problem = false) => {
    state.textContent = sentence;
    state.hidden = !sentence;
    state.classList.toggle("problem", problem);
  };
  const here = () => floe.chat ?? null;
  const readsHere = () => [current, ...queue].some((each) => each !== null && each.chat === here());
  const sayWhatIsRead = () => {
    if (!current) return;
    const waits = held && held.chat === here();
    if (!ways.hidden) {
      const rest = waits ? " Your message waits for it, in the box." : "";
      say(`${current.file.name} has still not been read.${rest}`, true);
      return;
    }
    const rest = waits ? " Your message is sent with it as soon as it has been read." : "";
    say(`Reading ${current.file.name} …${rest}`);
  };

  /** What was pressed meanwhile is done once every file of its chat is there; after a problem not. */
  const done = (/** @type {string} */ problem) => {
    const chat = current?.chat;
    current = null;
    clearTimeout(patience);
    ways.hidden = true;
    if (problem && held?.chat === chat) held = null;
    if (problem) problems.push(problem);
    next();
    if (!current) say(problems.splice(0).join(" "), true);
    if (!held || readsHere()) return;
    const { chat: wanted, act } = held;
    held = null;
    if (wanted === here()) act();
  };

  const next = () => {
    const first = queue.shift();
    if (!first) return;
    current = first;
    const { file } = first;
    if (file.size > floe.mostAttached) {
      const most = floe.bytes(floe.mostAttached);
      done(`${file.name} has ${floe.bytes(file.size)}; at most ${most} can be attached.`);
      return;
    }
    read(first);
  };

  /** An event may be lost on its way, or its answer: then the person decides what is done. */
  const read = async (/** @type {Reading} */ reading) => {
    const { file, chat, number } = reading;
    ways.hidden = true;
    clearTimeout(patience);
    patience = setTimeout(() => {
      ways.hidden = false;
      sayWhatIsRead();
    }, floe.attachPatience);
    sayWhatIsRead();
    try {
      const data = await floe.readFile(file);
      if (current !== reading) return;
      trigger("read", { name: file.name.slice(-200), data, chat, number });
    } catch {
      if (current !== reading) return;
      done(`${file.name} cannot be read. A folder cannot be attached, only files.`);
    }
  };

  const take = (/** @type {Iterable<File>} */ files) => {
    const chat = here();
    for (const file of files) {
      taken += 1;
      queue.push({ file, chat, number: taken });
    }
    if (!current) next();
  };

  floe.onceRead = (act) => {
    if (!readsHere()) return false;
    held = { chat: here(), act };
    sayWhatIsRead();
    return true;
  };
  /** @type {(event: Event) => void} */
  const hold = (event) => {
    if (!floe.onceRead?.(() => floe.find("#send")?.click())) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  };
  document.addEventListener(
    "click",
    (event) => {
      if (floe.closest(event, "#send")) hold(event);
    },
    true,
  );
  document.addEventListener(
    "keydown",
    (event) => {
      const sends = event.key === "Enter" && !event.shiftKey && !event.isComposing;
      if (sends && floe.closest(event, "#prompt textarea")) hold(event);
    },
    true,
  );

  input.onchange = () => {
    take(input.files ?? []);
    input.value = "";
  };

  const brings = (/** @type {DragEvent} */ event) =>
    document.documentElement.dataset.view === "chat" && event.dataTransfer?.types.includes("Files");
  const composer = () => floe.find("#composer");
  document.addEventListener("dragover", (event) => {
    if (!brings(event)) return;
    event.preventDefault();
    composer()?.classList.add("dropping");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) composer()?.classList.remove("dropping");
  });
  document.addEventListener("drop", (event) => {
    composer()?.classList.remove("dropping");
    if (!brings(event)) return;
    event.preventDefault();
    take(event.dataTransfer?.files ?? []);
    floe.find("#prompt textarea")?.focus();
  });
  document.addEventListener(
    "paste",
    (event) => {
      const files = event.clipboardData?.files;
      if (!files?.length || !floe.closest(event, "#prompt")) return;
      // A table or a page that was copied comes as text and as a picture of it: the text is meant.
      if (event.clipboardData?.types.includes("text/plain")) return;
      event.preventDefault();
      event.stopPropagation();
      take(files);
    },
    true,
  );

  const line = (/** @type {WaitingFileValue} */ file) => {
    const drop = floe.button("close", `Take away ${file.name}`, () => {
      trigger("drop", { id: file.id });
      floe.find("#prompt textarea")?.focus();
    });
    return floe.el(
      "li",
      {},
      floe.icon("page"),
      floe.el("b", { dir: "auto" }, file.name),
      floe.el("span", {}, file.note),
      drop,
    );
  };

  floe.onChange(part, (value) => {
    list.replaceChildren(...value.files.map(line));
    list.hidden = !value.files.length;
    if (value.serial === serial) return;
    serial = value.serial;
    if (current && value.read >= current.number) {
      done(value.problem);
    } else if (!current) {
      say(value.problem, true);
    }
  });
  if (!props.value) list.hidden = true;
};

/** Files of a message that was sent; pressed, each shows what stands in it. */
floe.attachmentChips = (attachments, fetchText) =>
  floe.el(
    "div",
    { className: "chip-line attachments" },
    ...attachments.flatMap(({ name, start, end, note }) => {
      const text = floe.el("pre", { hidden: true, tabIndex: 0, dir: "auto" });
      text.setAttribute("aria-label", `Text of ${name}`);
      const button = floe.el("button", { type: "button", className: "chip" });
      const words = floe.el("span", {}, floe.el("b", { dir: "auto" }, name), ` ${note}`);
      button.append(floe.icon("page"), words, floe.chevron());
      button.title = "Show what the model reads of this file";
      button.setAttribute("aria-expanded", "false");
      button.onclick = async () => {
        if (!text.textContent) {
          const whole = Array.from((await fetchText()) ?? "");
          text.textContent = whole.slice(start, end).join("").trim();
        }
        text.hidden = !text.hidden;
        button.setAttribute("aria-expanded", String(!text.hidden));
      };
      return [button, text];
    }),
  );

/** How much of what the model reads at once the chat takes: a ring, and a sentence when pressed. */
floe.context = (part) => {
  const { element } = part;
  const ring = floe.svg("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" });
  const fill = floe.svg("circle", { cx: 12, cy: 12, r: 8.5, pathLength: 100 });
  ring.append(floe.svg("circle", { cx: 12, cy: 12, r: 8.5, class: "rim" }), fill);
  const share = floe.el("span", {});
  const button = floe.el("button", { type: "button" });
  const sentence = floe.el("p", {
    id: "context-sentence",
    role: "status",
    hidden: true,
  });
  button.append(ring, share);
  button.setAttribute("aria-controls", "context-sentence");
  button.setAttribute("aria-expanded", "false");
  button.onclick = () => {
    sentence.hidden = !sentence.hidden;
    button.setAttribute("aria-expanded", String(!sentence.hidden));
  };
  element.append(button, sentence);
  let said = "";
  floe.showContext = (value) => {
    if (said === value.sentence) return;
    said = value.sentence;
    const percent = value.used === null ? null : Math.round((100 * value.used) / value.size);
    share.textContent = percent === null ? "–" : `${percent} %`;
    fill.style.strokeDasharray = `${percent ?? 0} 100`;
    element.classList.toggle("full", value.cut || (percent ?? 0) >= 80);
    button.title = value.sentence;
    button.setAttribute("aria-label", `Context: ${value.sentence}`);
    sentence.textContent = value.sentence;
  };
  floe.onChange(part, floe.showContext);
};
