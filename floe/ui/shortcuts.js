// The keys of the page: what they do, and the list of them.
"use strict";

floe.shortcuts = [
  ["Enter", "Send the message"],
  ["Shift + Enter", "Begin a new line"],
  ["/", "Go to the message box"],
  ["Ctrl + K", "Search all chats"],
  ["Ctrl + Shift + O", "New chat"],
  ["Page up, Home, ↑", "Read further up while an answer is written"],
  ["← →", "Go from token to token in a coloured answer"],
  ["Enter", "At a token: choose another one, and go on from there"],
  ["Escape", "Close what is open, cancel what is being edited"],
  ["?", "Show this list"],
];

floe.shortcutList = () =>
  floe.el(
    "dl",
    { className: "shortcut-list" },
    ...floe.shortcuts.map(([keys, text]) =>
      floe.el("div", {}, floe.el("dt", {}, floe.el("kbd", {}, keys)), floe.el("dd", {}, text)),
    ),
  );

{
  const close = floe.press("Close", () => list.close());
  const list = floe.el(
    "dialog",
    { id: "shortcuts", "aria-label": "Keyboard" },
    floe.el("h2", {}, "Keyboard"),
    floe.shortcutList(),
    close,
  );

  floe.showShortcuts = () => {
    if (!list.isConnected) (floe.find("#frame") ?? document.body).append(list);
    if (!list.open) list.showModal();
  };

  const writes = (/** @type {Event} */ event) => floe.closest(event, "input, textarea, select");

  document.addEventListener("keydown", (event) => {
    if (event.isComposing || event.altKey) return;
    const control = event.ctrlKey || event.metaKey;
    const key = event.key.toLowerCase();
    /** @type {(() => void) | undefined} */
    let act;
    if (control && !event.shiftKey && key === "k") {
      act = () => {
        floe.setDrawer(true);
        floe.find("#conversations input[type=search]")?.focus();
      };
    } else if (control && event.shiftKey && key === "o") {
      act = () => floe.find("#conversations .new-chat")?.click();
    } else if (!control && key === "/" && !writes(event)) {
      act = () => floe.find("#prompt textarea")?.focus();
    } else if (!control && key === "?" && !writes(event)) {
      act = floe.showShortcuts;
    }
    if (!act || list.open) return;
    event.preventDefault();
    act();
  });
}
