// The paperclip: files that go with the next message, and what is told of those that went.
"use strict";

floe.mostAttached = 20_000_000;

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
  element.append(list, state, input, clip);

  /** @type {{ file: File, chat: number | null }[]} Read one after the other, for that chat. */
  const queue = [];
  let reading = false;
  let serial = 0;

  const say = (/** @type {string} */ sentence, problem = false) => {
    state.textContent = sentence;
    state.hidden = !sentence;
    state.classList.toggle("problem", problem);
  };

  const next = async () => {
    const first = queue.shift();
    if (!first) return;
    const { file, chat } = first;
    if (file.size > floe.mostAttached) {
      const most = floe.bytes(floe.mostAttached);
      say(`${file.name} has ${floe.bytes(file.size)}; at most ${most} can be attached.`, true);
      next();
      return;
    }
    reading = true;
    say(`Reading ${file.name} …`);
    try {
      trigger("read", {
        name: file.name.slice(-200),
        data: await floe.readFile(file),
        chat,
      });
    } catch {
      reading = false;
      say(`${file.name} cannot be read. A folder cannot be attached, only files.`, true);
      next();
    }
  };

  const take = (/** @type {Iterable<File>} */ files) => {
    const chat = floe.chat ?? null;
    queue.push(...Array.from(files, (file) => ({ file, chat })));
    if (!reading) next();
  };

  input.onchange = () => {
    take(input.files ?? []);
    input.value = "";
  };

  const onChat = () => Boolean(element.offsetParent);
  const brings = (/** @type {DragEvent} */ event) =>
    onChat() && event.dataTransfer?.types.includes("Files");
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
    say(value.problem, true);
    reading = false;
    next();
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
