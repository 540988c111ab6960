// The models view: what answers, what else could, and how it comes here; and the chip at the top.
"use strict";

/** The model in use; pressed, it opens the view. */
floe.modelChip = (part) => {
  const name = floe.el("span", { dir: "auto" });
  const button = floe.el("button", { type: "button", id: "open-models" });
  button.append(floe.icon("chip"), name);
  button.onclick = () => floe.setView("models");
  part.element.append(button);
  floe.onChange(part, (value) => {
    name.textContent = value.loading ? `Loading ${value.name}` : value.name;
    button.title = `Model on this device: ${value.name}. Press to see and choose models.`;
    button.setAttribute("aria-label", button.title);
    button.classList.toggle("loading", value.loading);
  });
};

floe.models = (part) => {
  const { element, trigger } = part;
  const fits = { fits: "good", tight: "limited", "does not fit": "impossible", unknown: "limited" };

  /** One model, or one file of a hub. */
  const row = (/** @type {ModelRowValue} */ value) => {
    const title = floe.el("strong", { dir: "auto" }, value.title);
    const marks = floe.el("span", { className: "marks" });
    if (value.in_use) marks.append(floe.el("b", { className: "mark used" }, "in use"));
    else if (value.here) marks.append(floe.el("b", { className: "mark" }, "on this device"));
    if (value.fit !== "unknown" && !value.in_use)
      marks.append(floe.el("b", { className: `mark ${fits[value.fit]}` }, value.fit));
    const memory = value.fit === "unknown" ? "" : value.memory;
    const facts = [value.facts, memory, value.speed].filter(Boolean).join(" · ");
    const text = floe.el(
      "div",
      { className: "model-text" },
      floe.el("div", { className: "model-head" }, title, marks),
      floe.el("small", { dir: "auto" }, facts),
    );
    if (value.role) text.append(floe.el("p", { dir: "auto" }, value.role));
    if (value.personal_reason)
      text.append(
        floe.el("p", { className: "faint" }, `Cannot be personalised. ${value.personal_reason}`),
      );
    else if (value.personal && value.role) {
      const missing = value.personal_missing;
      const can = missing
        ? `Can be personalised after installing: ${missing}`
        : "Can be personalised.";
      text.append(floe.el("p", { className: "faint" }, can));
    }
    if (value.kept_reason) text.append(floe.el("p", { className: "faint" }, value.kept_reason));
    const actions = floe.el("div", { className: "row" });
    const name = value.name;
    if (value.here && !value.in_use) {
      const use = floe.press("Use", () => trigger("use", { name }), "primary");
      use.setAttribute("aria-label", `Use ${value.title}`);
      actions.append(use);
    }
    if (value.can_fetch && !value.fetching) {
      const fetch = floe.press("Download", () => trigger("fetch", { name }), "", "save");
      fetch.setAttribute("aria-label", `Download ${value.title}`);
      actions.append(fetch);
    }
    if (value.can_drop) {
      const drop = floe.press("Delete", null, "", "bin");
      drop.setAttribute("aria-label", `Delete ${value.title}`);
      actions.append(
        floe.ask(drop, "Delete its file for good?", "Delete", () => trigger("drop", { name })),
      );
    }
    return floe.el("li", { className: "model" }, text, actions);
  };

  const used = floe.el("p", { role: "status", dir: "auto" });
  const note = floe.el("p", { className: "faint", dir: "auto" });
  const options = floe.el("dl", { className: "model-options" });
  const build = floe.el("p", { className: "faint" });
  const standIn = floe.el("p", { className: "faint" });
  const details = floe.el(
    "details",
    {},
    floe.el("summary", { className: "row" }, "How it runs, and why", floe.chevron()),
    options,
    build,
    standIn,
  );
  const inUse = floe.sheet("In use", used, note, details);

  const bar = floe.el("progress", { max: 1 });
  const state = floe.el("p", { role: "status", dir: "auto" });
  const pause = floe.press("Pause", () => trigger("pause"), "", "pause");
  const resume = floe.press("Resume", () => trigger("resume"), "primary");
  const cancel = floe.press("Cancel", null, "", "close");
  const download = floe.sheet(
    "Download",
    state,
    bar,
    floe.el(
      "div",
      { className: "row" },
      pause,
      resume,
      floe.ask(cancel, "Delete what has arrived?", "Delete", () => trigger("cancel")),
    ),
  );

  const list = floe.el("ul", { className: "plain-list" });
  const drawRows = floe.lines(list, row);
  const all = floe.sheet("Models", list);

  const words = floe.el("input", {
    type: "search",
    placeholder: "granite, owner/name, or the address of a page",
    spellcheck: false,
  });
  const search = floe.press("Search", () => {
    if (words.value.trim()) trigger("search", { name: words.value.trim() });
  });
  words.onkeydown = (event) => {
    if (event.key === "Enter") search.click();
  };
  const answer = floe.el("p", { role: "status", dir: "auto" });
  const repositories = floe.el("ul", { className: "plain-list" });
  const files = floe.el("ul", { className: "plain-list" });
  const leftOut = floe.el("p", { className: "faint", dir: "auto" });
  const drawFiles = floe.lines(files, row);
  const drawRepositories = floe.lines(repositories, (/** @type {HubRepositoryValue} */ value) => {
    const show = floe.press("Show files", () => trigger("search", { name: value.repo }));
    show.setAttribute("aria-label", `Show files of ${value.repo}`);
    return floe.el(
      "li",
      { className: "model" },
      floe.el(
        "div",
        { className: "model-text" },
        floe.el("strong", { dir: "auto" }, value.repo),
        floe.el("small", { dir: "auto" }, value.facts),
      ),
      floe.el("div", { className: "row" }, show),
    );
  });
  const path = floe.el("input", {
    type: "text",
    placeholder: "/home/me/model.gguf",
    spellcheck: false,
  });
  const take = floe.press("Use this file", () => {
    if (path.value.trim()) trigger("use", { name: path.value.trim() });
  });
  path.onkeydown = (event) => {
    if (event.key === "Enter") take.click();
  };
  const other = floe.sheet(
    "Other models",
    floe.el(
      "div",
      { className: "pair" },
      floe.el(
        "div",
        {},
        floe.field(
          "On the hub",
          words,
          "Your words go to the hub. What is fetched is checked against the hub's own sha256.",
        ),
        floe.el("div", { className: "row" }, search),
      ),
      floe.el(
        "div",
        {},
        floe.field("On this device", path, "A GGUF file; it stays where it is."),
        floe.el("div", { className: "row" }, take),
      ),
    ),
    answer,
    repositories,
    files,
    leftOut,
  );
  const heading = floe.heading(
    "Models",
    "The model on this device writes your private answers and its part of the others. Another one " +
      "is used from the next question on; what was learnt on one model does not act on another.",
  );
  element.append(
    floe.el("div", { className: "models-view" }, heading, inUse, download, all, other),
  );

  floe.onChange(part, (value) => {
    used.textContent = value.switching
      ? `${value.in_use} answers while ${value.switching} is checked and loaded.`
      : value.in_use;
    note.textContent = value.note;
    note.hidden = !value.note;
    options.replaceChildren(
      ...value.options.map(([name, chosen, reason]) =>
        floe.el(
          "div",
          {},
          floe.el("dt", {}, name ?? ""),
          floe.el("dd", {}, chosen ?? "", floe.el("small", {}, reason ?? "")),
        ),
      ),
    );
    build.textContent = value.build;
    standIn.textContent = `Stand-in cloud: ${value.stand_in}.`;
    const going = value.download;
    download.hidden = !going;
    if (going) {
      state.textContent = `${going.name}: ${going.sentence}`;
      bar.value = going.share;
      bar.setAttribute("aria-label", `Download of ${going.name}`);
      pause.hidden = going.state !== "running";
      resume.hidden = going.state !== "paused" && going.state !== "failed";
      resume.textContent = going.state === "failed" ? "Try again" : "Resume";
    }
    drawRows(value.rows);
    const hub = value.hub;
    answer.textContent = hub.repo ? `${hub.repo}: ${hub.repo_facts}` : hub.sentence;
    answer.hidden = !answer.textContent;
    search.disabled = hub.running;
    drawRepositories(hub.repositories);
    drawFiles(hub.files);
    leftOut.textContent = hub.left_out.join(" ");
    leftOut.hidden = !leftOut.textContent;
  });
};
