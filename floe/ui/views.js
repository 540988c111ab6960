// The views of the page, the way between them, and the chat in view with its own rules.
"use strict";

floe.viewNames = [
  ["chat", "chat", "Chat"],
  ["personalise", "person", "Personalise"],
  ["privacy", "shield", "Privacy"],
  ["federate", "nodes", "Federate"],
  ["models", "chip", "Models"],
  ["settings", "gear", "Settings"],
];

/** Show a view. Whatever runs goes on: views are only hidden. Kept for this tab, over reloads. */
floe.setView = (name) => {
  const root = document.documentElement;
  if (root.dataset.view === name) return;
  root.dataset.view = name;
  sessionStorage.setItem("floe.view", name);
  floe.nameView();
  document.dispatchEvent(new CustomEvent("floe:view", { detail: name }));
};

/** Take the keyboard to what the view shows, past the list of chats. */
floe.goToContent = () => {
  if (floe.narrow.matches) floe.setDrawer(false);
  const view = document.documentElement.dataset.view;
  const head = view === "chat" ? null : floe.find(`#${view}`)?.querySelector("h1, h2");
  if (!(head instanceof HTMLElement)) return floe.find("#prompt textarea")?.focus();
  head.tabIndex = -1;
  head.focus();
};

floe.recallView = () => {
  const kept = floe.readHash().view ?? sessionStorage.getItem("floe.view");
  return floe.viewNames.find(([name]) => name === kept)?.[0] ?? "chat";
};

document.documentElement.dataset.view = floe.recallView();

floe.views = ({ element, trigger }) => {
  /** @type {[string, HTMLElement][]} */
  const buttons = floe.viewNames.map(([name, icon, title]) => {
    const button = floe.el("button", { type: "button" }, floe.icon(icon), title);
    button.onclick = () => {
      if (floe.narrow.matches) floe.setDrawer(false);
      floe.setView(name);
    };
    return [name, button];
  });
  const skip = floe.press("Skip the list of chats", () => floe.goToContent(), "skip");
  const nav = floe.el("nav", { "aria-label": "Views" }, ...buttons.map(([, button]) => button));
  nav.append(skip);
  element.append(floe.el("div", { className: "brand" }, floe.el("strong", {}, "Floe")), nav);
  const mark = () => {
    for (const [name, button] of buttons) {
      if (name === document.documentElement.dataset.view)
        button.setAttribute("aria-current", "page");
      else button.removeAttribute("aria-current");
    }
  };
  document.addEventListener("floe:view", (event) => {
    mark();
    trigger("go", { view: event.detail });
  });
  mark();
  // A view that was kept over a reload is filled once gradio is there.
  const kept = document.documentElement.dataset.view;
  if (kept && kept !== "chat") setTimeout(() => trigger("go", { view: kept }), 0);
};

/** What holds for the chat in view: its title, whether it stays here, what it may be used for. */
floe.about = (part) => {
  const { element, trigger } = part;
  const title = floe.el("h1", { dir: "auto" });
  const keep = floe.toggle("Keep on this device", (on) => trigger("keep", { on }));
  keep.prepend(floe.icon("lock"));
  keep.title = "Nothing of this chat is sent anywhere while this is on.";
  /** @type {[ConsentAsked["use"], string][]} */
  const questions = [
    ["train", "May this chat be used for training?"],
    ["federate", "May what was trained on it be shared with a group?"],
  ];
  const uses = questions.map(([use, question]) => {
    const general = floe.el("small");
    const choice = floe.choice(
      question,
      [
        ["general", "Same as for all chats"],
        ["yes", "Yes"],
        ["no", "No"],
      ],
      (value) => trigger("allow", { use, allowed: { general: null, yes: true, no: false }[value] }),
    );
    choice.append(general);
    return { use, choice, general };
  });
  const menu = floe.el("details", { className: "menu" });
  const opener = floe.el("summary", { title: "More about this chat" }, floe.icon("more"));
  opener.setAttribute("aria-label", opener.title);
  /** @type {[ChatFileAsked["kind"], string][]} */
  const files = [
    ["markdown", "Save as Markdown"],
    ["json", "Save as JSON"],
  ];
  const saves = files.map(([kind, name]) =>
    floe.press(name, () => trigger("export", { kind }), "", "save"),
  );
  menu.append(
    opener,
    floe.el(
      "div",
      {},
      ...uses.map(({ choice }) => choice),
      floe.el("div", { className: "saves" }, ...saves),
    ),
  );
  floe.closeOutside(menu);
  element.append(title, keep, menu);
  /** @type {number | null} */
  let shown = null;
  floe.onChange(part, (value) => {
    const other = value.conversation === null || value.conversation !== shown;
    shown = value.conversation;
    title.textContent = value.title;
    title.title = value.title;
    keep.set(value.local_only, other);
    menu.hidden = value.conversation === null;
    for (const { use, choice, general } of uses) {
      const own = value[use];
      choice.set(own === null ? "general" : own ? "yes" : "no", other);
      const given = value.general[use];
      const said = given === null ? "not answered yet" : given ? "yes" : "no";
      general.textContent = own === null ? `For all chats: ${said}.` : "";
    }
  });
};

/** Hands the browser a file that an action has put ready for it, once. */
floe.save = ({ props, watch }) => {
  watch("value", () => {
    if (props.value) floe.el("a", { href: props.value, download: "" }).click();
  });
};

/**
 * Asks for what has changed elsewhere, once a poll of the clock has noticed that there is something.
 * A reply to such a poll may come late; what is asked for here waits its turn among all that draws.
 */
floe.noticed = ({ props, trigger, watch }) => {
  watch("value", () => {
    if (props.value) trigger("follow");
  });
};

/** Beside the weight: whether it follows the person's own words, and why it stands where it does. */
floe.auto = (part) => {
  const reason = floe.el("p", { role: "status" });
  const toggle = floe.toggle("auto", (on) => part.trigger("set", { on }));
  toggle.setAttribute("aria-label", "Automatic weight");
  part.element.append(toggle, reason);
  floe.onChange(part, (value) => {
    toggle.set(value.on);
    toggle.title = `Fitted to how you write. ${value.reason}`;
    reason.hidden = !value.on;
    reason.textContent = value.reason;
  });
};
