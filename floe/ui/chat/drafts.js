// What is begun in the box, told with the chat in which it was typed: whatever is opened meanwhile.
// Until the app has saved it, this tab keeps a copy: an app that cannot be reached loses no word.
"use strict";

floe.drafts = ({ props, trigger, watch }) => {
  const pause = 150;
  const rest = 1000;
  const again = 3000;
  let number = 0;
  /** @type {{ chat: number | null, text: string } | null} */
  let begun = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let resting;
  const tell = () => {
    clearTimeout(timer);
    timer = undefined;
    if (!begun) return;
    number += 1;
    trigger("keep", { ...begun, number, save: false });
    begun = null;
  };
  const box = () => {
    const found = floe.find("#prompt textarea");
    return found instanceof HTMLTextAreaElement ? found : null;
  };
  const copyOf = () => {
    const text = sessionStorage.getItem(floe.draftCopy);
    return text ? JSON.parse(text) : null;
  };
  const copy = (/** @type {{ chat: number | null, text: string }} */ typed) => {
    try {
      sessionStorage.setItem(floe.draftCopy, JSON.stringify(typed));
    } catch {
      sessionStorage.removeItem(floe.draftCopy); // more than a browser keeps; an old one is worse
    }
  };
  const save = () => {
    const typed = copyOf();
    if (!typed) return;
    tell();
    number += 1;
    trigger("keep", { ...typed, number, save: true });
    resting = setTimeout(save, again); // until it has been saved
  };
  document.addEventListener("input", (event) => {
    if (!event.target || event.target !== box() || floe.chat === undefined) return;
    if (begun && begun.chat !== floe.chat) tell();
    begun = { chat: floe.chat, text: box()?.value ?? "" };
    copy(begun);
    timer ??= setTimeout(tell, pause);
    clearTimeout(resting);
    resting = setTimeout(save, rest);
  });
  addEventListener("pagehide", tell);
  floe.tellDraft = tell;
  watch("value", () => {
    // Nothing has been typed since: the app has all of it, or it has been sent.
    if (props.value && props.value.number >= number && !begun) {
      sessionStorage.removeItem(floe.draftCopy);
      clearTimeout(resting);
    }
  });
};

floe.draftCopy = "floe.draft";

/** What this tab has typed and the app has not saved; told as the page opens. */
floe.unsavedDraft = () => sessionStorage.getItem(floe.draftCopy) ?? "";
