// What is begun in the box, told with the chat in which it was typed: whatever is opened meanwhile.
"use strict";

floe.drafts = ({ trigger }) => {
  const pause = 150;
  let number = 0;
  /** @type {{ chat: number | null, text: string } | null} */
  let begun = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const tell = () => {
    clearTimeout(timer);
    timer = undefined;
    if (!begun) return;
    number += 1;
    trigger("keep", { ...begun, number });
    begun = null;
  };
  const box = () => {
    const found = floe.find("#prompt textarea");
    return found instanceof HTMLTextAreaElement ? found : null;
  };
  document.addEventListener("input", (event) => {
    if (!event.target || event.target !== box() || floe.chat === undefined) return;
    if (begun && begun.chat !== floe.chat) tell();
    begun = { chat: floe.chat, text: box()?.value ?? "" };
    timer ??= setTimeout(tell, pause);
  });
  addEventListener("pagehide", tell);
  floe.tellDraft = tell;
};
