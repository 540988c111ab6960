// What stands around each message of the chatbot: branches, copy, edit, again, tokens, notices.
"use strict";

floe.thread = ({ element, props, trigger, server, watch }) => {
  let chat = null; // the chatbot's element, once gradio has loaded it
  const open = new Map(); // message id -> whether its tokens are shown, where that was chosen
  let shown = null; // the conversation last drawn: another one starts at its end
  let follows = true; // whether the end of the chat is in view, and stays so while it grows
  let editing = null; // message id whose text is being edited

  const copy = (id, button) => async () => {
    await navigator.clipboard.writeText(await server.text(id));
    button().replaceChildren(floe.icon("tick"));
    setTimeout(() => button().replaceChildren(floe.icon("copy")), 1200);
  };

  const switcher = (fact) => {
    const at = fact.siblings.indexOf(fact.id);
    const go = (to) => () => trigger("branch", { id: fact.siblings[to] });
    const back = floe.button("left", "Earlier version", go(at - 1));
    const forth = floe.button("right", "Later version", go(at + 1));
    back.disabled = at === 0;
    forth.disabled = at === fact.siblings.length - 1;
    const count = floe.el("span", {}, `${at + 1}/${fact.siblings.length}`);
    count.setAttribute("aria-label", `Version ${at + 1} of ${fact.siblings.length}`);
    return floe.el("span", { className: "switcher" }, back, count, forth);
  };

  const rate = (fact, icon, name, rating) => {
    const given = fact.rating === rating;
    const id = fact.id;
    const button = floe.button(icon, name, () => trigger("rate", { id, rating: given ? 0 : rating }));
    button.setAttribute("aria-pressed", String(given));
    return button;
  };

  const isOpen = (fact, last) =>
    !fact.rewritten && (open.get(fact.id) ?? (last && floe.recall("tokens") !== "closed"));

  const bar = (fact, last) => {
    const tools = floe.el("div", { className: "tools" });
    if (fact.siblings.length > 1) tools.append(switcher(fact));
    const copies = floe.button("copy", "Copy", copy(fact.id, () => copies));
    tools.append(copies);
    if (fact.role === "user") {
      tools.append(floe.button("pencil", "Edit", () => startEdit(fact.id)));
      return tools;
    }
    if (!fact.live) {
      tools.append(floe.button("again", "Answer again", () => trigger("regenerate", { id: fact.id })));
      tools.append(floe.button("pencil", "Rewrite in your own words", () => startEdit(fact.id)));
      tools.append(rate(fact, "like", "A good answer", 1), rate(fact, "dislike", "A bad answer", -1));
    }
    if (fact.rewritten) {
      tools.append(floe.el("span", { className: "summary" }, "rewritten by you"));
      return tools;
    }
    const shown = isOpen(fact, last);
    const toggle = floe.button("tokens", "Tokens: who carried each", () => {
      open.set(fact.id, !shown);
      if (last) floe.remember("tokens", shown ? "closed" : null);
      decorate();
    }, "with-text");
    toggle.append("Tokens");
    toggle.setAttribute("aria-expanded", String(shown));
    const summary = floe.el("span", { className: "summary" }, fact.summary || fact.route);
    summary.title = [fact.route, fact.reason].filter(Boolean).join(": ");
    tools.append(toggle, summary);
    return tools;
  };

  const startEdit = async (id) => {
    editing = { id, text: await server.text(id) };
    follows = false;
    decorate();
    chat.querySelector(".editor")?.scrollIntoView({ block: "center" });
  };

  const editor = (fact) => {
    const own = fact.role === "user";
    const name = own ? "Edit your message" : "The answer in your own words";
    const area = floe.el("textarea", { value: editing.text, "aria-label": name });
    area.rows = Math.min(12, editing.text.split("\n").length + 1);
    const send = floe.el("button", { type: "button", className: "primary" }, own ? "Send" : "Keep this wording");
    const cancel = floe.el("button", { type: "button" }, "Cancel");
    // The editor stays until the new branch is in view: a refusal loses nothing.
    send.onclick = () => trigger(own ? "edit" : "rewrite", { id: fact.id, text: area.value });
    cancel.onclick = () => {
      editing = null;
      decorate();
    };
    area.oninput = () => {
      editing.text = area.value;
    };
    area.onkeydown = (event) => {
      if (event.key === "Escape") cancel.onclick();
      const enter = event.key === "Enter" && (own ? !event.shiftKey : event.ctrlKey || event.metaKey);
      if (enter && !event.isComposing) {
        event.preventDefault();
        send.onclick();
      }
    };
    requestAnimationFrame(() => area.focus());
    const buttons = floe.el("div", { className: "edit-buttons" }, send, cancel);
    return floe.el("div", { className: "editor" }, area, buttons);
  };

  /** What was decided about a question; pressed, it shows the words that decided it. */
  const chip = ({ kept, reason, spans }, id) => {
    const line = floe.el("div", { className: "chip-line" });
    const words = floe.el("span", {}, reason);
    if (!spans.length) {
      line.append(floe.el("span", { className: "chip" }, floe.icon(kept ? "lock" : "mask"), words));
      return line;
    }
    const marked = floe.el("p", { className: "marked", hidden: true });
    const button = floe.el("button", { type: "button", className: "chip" });
    button.append(floe.icon(kept ? "lock" : "mask"), words, floe.chevron());
    button.title = "Show the words that decided it";
    button.setAttribute("aria-expanded", "false");
    button.onclick = async () => {
      if (!marked.hasChildNodes()) marked.append(...highlighted(await server.text(id), spans));
      marked.hidden = !marked.hidden;
      button.setAttribute("aria-expanded", String(!marked.hidden));
    };
    line.append(button, marked);
    return line;
  };

  /** The text with marks; places count characters as Python does, not halves of them. */
  const highlighted = (text, spans) => {
    const characters = Array.from(text);
    const pieces = [];
    let at = 0;
    for (const [start, end, kind] of spans) {
      const mark = floe.el("mark", { title: kind }, characters.slice(start, end).join(""));
      mark.append(floe.el("sup", {}, kind));
      pieces.push(characters.slice(at, start).join(""), mark);
      at = end;
    }
    return [...pieces, characters.slice(at).join("")];
  };

  const around = (fact, last) => {
    const foot = floe.el("div", { className: "around" });
    if (fact.chip) foot.append(chip(fact.chip, fact.id));
    if (editing?.id === fact.id) foot.append(editor(fact));
    for (const notice of fact.notices) {
      foot.append(floe.el("p", { className: "aside", role: "status" }, notice));
    }
    if (fact.role === "assistant" && isOpen(fact, last)) {
      foot.append(floe.tokenPanel(props.value.conversation, fact.id, server.tokens));
    }
    foot.append(bar(fact, last));
    return foot;
  };

  /** Put each message's surroundings beside it; the chatbot may have redrawn its rows. */
  const decorate = () => {
    if (!chat) return;
    const facts = props.value?.messages ?? [];
    const rows = chat.querySelectorAll(".message-row");
    if (rows.length !== facts.length) return; // the other half of the change is on its way
    const log = chat.querySelector("[role=log]");
    const opened = shown !== props.value.conversation;
    shown = props.value.conversation;
    rows.forEach((row, i) => {
      const fact = facts[i];
      const last = i === facts.length - 1;
      const key = JSON.stringify([fact, last, isOpen(fact, last), editing?.id === fact.id]);
      const old = row.querySelector(":scope > .around");
      row.classList.toggle("editing", editing?.id === fact.id);
      row.classList.toggle("live", fact.live);
      if (old?.dataset.key === key) return;
      const fresh = around(fact, last);
      fresh.dataset.key = key;
      if (old) old.replaceWith(fresh);
      else row.append(fresh);
    });
    focus(rows, facts);
    if (opened || follows) log.scrollTop = log.scrollHeight;
  };

  let focused = null;
  const focus = (rows, facts) => {
    const wanted = props.value.focus;
    const at = facts.findIndex((fact) => fact.id === wanted);
    if (at < 0 || focused === props.value) return;
    focused = props.value;
    setTimeout(() => {
      rows[at].scrollIntoView({ block: "center" });
      rows[at].classList.add("found");
      setTimeout(() => rows[at].classList.remove("found"), 1600);
    }, 150);
  };

  watch("value", () => {
    if (editing && !props.value.messages.some((fact) => fact.id === editing.id)) editing = null;
    decorate();
  });
  const redrawn = new MutationObserver((changes) => {
    if (changes.some((change) => !change.target.closest?.(".around"))) decorate();
  });
  const start = () => {
    chat = document.querySelector("#chat [role=log]")?.parentElement;
    if (!chat) return setTimeout(start, 50);
    redrawn.observe(chat, { childList: true, subtree: true });
    const log = chat.querySelector("[role=log]");
    log.addEventListener("scroll", () => {
      follows = log.scrollTop + log.clientHeight > log.scrollHeight - 60;
    });
    decorate();
  };
  start();
};
