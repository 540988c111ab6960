// The address of what is shown, a view or a chat: back, forward and reload go by it, in each tab.
"use strict";

floe.chat = undefined;

/** What an address names: `#/chat/12`, `#/chat/new`, `#/privacy`; nothing where it names nothing. */
floe.readHash = () => {
  const [, view, place] = /^#\/(\w+)(?:\/(new|[1-9]\d{0,14}))?$/.exec(location.hash) ?? [];
  if (view !== "chat" || !place) return { view };
  return { view, chat: place === "new" ? null : Number(place) };
};

floe.hashOf = (view, chat) => (view === "chat" ? `#/chat/${chat ?? "new"}` : `#/${view}`);

{
  /** The page goes where the address says already. */
  let travels = false;

  /** @type {{ chat: number | null, shown: () => void } | null} */
  let opening = null;
  let opened = Promise.resolve();
  const longest = 5000;

  /** A chat is about to be shown: what is sent from here on is for it. */
  floe.awaitChat = (chat) => {
    opening?.shown();
    opening = null;
    // One that is in view is drawn anew: what is sent before that could be put away by it.
    opened = new Promise((resolve) => {
      const shown = () => resolve(undefined);
      opening = { chat, shown };
      setTimeout(shown, longest); // one that is gone is never shown
    });
  };

  /**
   * Wait until the chat that was asked for is shown; then give back what was given. So a message is
   * sent where its writer sees it, and "Stop" stops what was opened and not what stood there before.
   */
  floe.whenOpened = async (...given) => {
    await opened;
    return given;
  };

  /** @type {(replaces: boolean) => void} */
  const write = (replaces) => {
    const hash = floe.hashOf(document.documentElement.dataset.view, floe.chat);
    if (travels || hash === location.hash) return;
    if (replaces) history.replaceState(null, "", hash);
    else history.pushState(null, "", hash);
  };

  /** Another view is shown. */
  floe.nameView = () => {
    if (floe.chat !== undefined) write(false);
  };

  /**
   * Another chat is shown. No further step are the first one, a new one that gets its first
   * message, and one that is shown in place of what the address asked for and is gone.
   */
  floe.nameChat = (chat) => {
    const before = floe.chat;
    if (opening?.chat === chat) {
      opening.shown();
      opening = null;
    }
    if (chat === before) return;
    const asked = location.hash !== floe.hashOf(document.documentElement.dataset.view, before);
    floe.chat = chat;
    write(before === undefined || before === null || asked);
  };

  addEventListener("popstate", () => {
    const { view, chat } = floe.readHash();
    if (!view || !floe.viewNames.some(([name]) => name === view)) return;
    travels = true;
    floe.setView(view);
    travels = false;
    if (chat !== undefined && chat !== floe.chat) floe.openChat?.(chat);
  });
}
