// The page's scripts in a document that has no browser around it.
"use strict";

const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const { after } = require("node:test");
const { JSDOM } = require("jsdom");

const FOLDER = join(__dirname, "..", "..", "floe", "ui");

/** Their timers end with the tests: what is waited for in vain would keep node for half a minute. */
const opened = [];
after(() => {
  for (const window of opened) window.close();
});

/** Sizes that nothing lays out here: an element says what the test gave it. */
const lay = (node, sizes) => {
  for (const [name, value] of Object.entries(sizes)) {
    Object.defineProperty(node, name, { value, configurable: true, writable: true });
  }
};

/** Scripts of floe/ui in a page of their own; gives its window and `floe`. */
const openPage = (...scripts) => {
  const { window } = new JSDOM('<body><div id="here"></div></body>', {
    url: "http://127.0.0.1:9/",
    runScripts: "outside-only",
  });
  opened.push(window);
  window.requestAnimationFrame = (call) => window.setTimeout(call, 0);
  window.matchMedia = () => ({ matches: false, addEventListener() {} });
  window.ResizeObserver = class {
    observe() {}
  };
  window.Element.prototype.scrollIntoView = () => {};
  const texts = ["shell.js", ...scripts].map((name) => readFileSync(join(FOLDER, name), "utf8"));
  window.eval(`${texts.join("\n")}\nwindow.floe = floe;`);
  return { window, floe: window.floe };
};

/** What gradio gives a part; `send` is Python's side. */
const partOf = (window, server = {}) => {
  const props = { value: null };
  const calls = [];
  const triggered = [];
  return {
    element: window.document.getElementById("here"),
    props,
    server,
    triggered,
    trigger: (...event) => triggered.push(event),
    watch: (_name, call) => calls.push(call),
    send(value) {
      props.value = value;
      for (const call of calls) call();
    },
  };
};

module.exports = { lay, openPage, partOf };
