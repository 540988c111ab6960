// Three short steps over the empty chat, for who opens Floe for the first time; left at any of them.
"use strict";

floe.firstRun = (part) => {
  const { element, trigger } = part;
  let step = 0;
  const cloud = floe.el("b");
  const tryIt = floe.el("span");
  floe.onCloudKind((kind) => {
    tryIt.textContent =
      kind === "off"
        ? "Press one of the four questions below, then Send: this device answers it alone."
        : "Press Side by side at one of the four questions below: this device, both together and " +
          `${kind === "stand-in" ? "the stand-in" : "the cloud"} answer it. ` +
          "“My own” is about somebody's life, so it stays here.";
  });
  const lead = (/** @type {string} */ text, /** @type {() => void} */ act) => floe.press(text, act);
  /** @type {{ title: string, words: Child[], ways: HTMLElement[] }[]} */
  const steps = [
    {
      title: "What stays here",
      words: [
        "Each message is read on this device before anything is sent. What it finds of names, " +
          "health, money and passwords stays here, and a chip under the message says so. It does " +
          "not find everything: Privacy shows word for word what was sent. “Keep on this device”, " +
          "above, keeps a whole chat here.",
      ],
      ways: [lead("More under Privacy", () => floe.setView("privacy"))],
    },
    {
      title: "Your cloud",
      words: [
        "A larger model may write along with the one on this device. Now: ",
        cloud,
        " You can name a service of your own, test it, or do without.",
      ],
      ways: [lead("Choose and test a cloud", () => floe.setCloud(true))],
    },
    {
      title: "Try it",
      words: [tryIt],
      ways: [],
    },
  ];
  const title = floe.el("h2", { tabIndex: -1 });
  const words = floe.el("p");
  const place = floe.el("small");
  const back = floe.press("Back", () => go(step - 1));
  const next = floe.press("", () => (step < steps.length - 1 ? go(step + 1) : leave()), "primary");
  const leave = () => {
    trigger("done");
    floe.find("#prompt textarea")?.focus();
  };
  const skip = floe.press("Skip", leave);
  const ways = floe.el("span", { className: "ways" });
  const row = floe.el("div", { className: "row" }, ways, skip, back, next);
  const card = floe.el("section", { "aria-label": "First steps" }, place, title, words, row);
  element.append(card);

  const draw = () => {
    const now = steps[step];
    place.textContent = `First steps, ${step + 1} of ${steps.length}`;
    title.textContent = now.title;
    words.replaceChildren(...now.words);
    ways.replaceChildren(...now.ways);
    back.hidden = step === 0;
    skip.hidden = step === steps.length - 1;
    next.textContent = step === steps.length - 1 ? "Done" : "Next";
  };
  const go = (/** @type {number} */ to) => {
    step = to;
    draw();
    title.focus({ preventScroll: true });
  };
  draw();
  floe.onChange(part, (value) => {
    cloud.textContent = value.cloud;
    if (value.show && !document.documentElement.classList.contains("first-run")) {
      step = 0;
      draw();
    }
    document.documentElement.classList.toggle("first-run", value.show);
  });
};
