"use strict";

const assert = require("node:assert/strict");
const { test } = require("node:test");
const { openPage, partOf } = require("./page.js");

const { window, floe } = openPage("forms.js", "cloud/cloud.js", "models/models.js");

const ROW = {
  name: "small",
  title: "Small <b>model</b>",
  role: "For tests.",
  facts: "98 MB · MIT",
  fit: "tight",
  memory: "needs about 0.3 GB, 0.3 GB are free",
  speed: "about 20 tokens a second",
  personal: false,
  personal_reason: "It is of the kind “odd”.",
  personal_missing: "",
  here: true,
  in_use: false,
  fetching: false,
  can_fetch: false,
  can_drop: true,
  kept_reason: "",
};
const HUB = {
  query: "",
  sentence: "",
  running: false,
  repositories: [],
  repo: "",
  repo_facts: "",
  files: [],
  left_out: [],
};
const VALUE = {
  in_use: "Large",
  note: "",
  switching: "",
  options: [["Threads", "2", "one for each core"]],
  build: "llama.cpp",
  stand_in: "other: it is here",
  rows: [ROW],
  download: null,
  hub: HUB,
};

/** The part, drawn from a value. */
const draw = (value) => {
  const part = partOf(window);
  part.element.replaceChildren();
  floe.models(part);
  part.send(value);
  return part;
};

const named = (part, text) =>
  [...part.element.querySelectorAll("button")].find((each) => each.textContent === text);

test("a model shows whether it fits and why it cannot be personalised, and is used when asked", () => {
  const part = draw(VALUE);
  const line = part.element.querySelector("li.model");
  assert.equal(line.querySelector("strong").textContent, ROW.title);
  assert.match(line.textContent, /tight/);
  assert.match(line.textContent, /needs about 0\.3 GB.*about 20 tokens/);
  assert.match(line.textContent, /Cannot be personalised\. It is of the kind “odd”/);
  named(part, "Use").click();
  named(part, "Delete").click();
  assert.equal(JSON.stringify(part.triggered), '[["use",{"name":"small"}]]');
  line.querySelector(".danger").click();
  assert.equal(JSON.stringify(part.triggered[1]), '["drop",{"name":"small"}]');
});

test("a model that needs more to be personalised says what is to be installed", () => {
  const row = { ...ROW, personal: true, personal_reason: "" };
  const last = (changed) =>
    [...draw({ ...VALUE, rows: [changed] }).element.querySelectorAll("li.model p")].at(-1)
      .textContent;
  assert.equal(last(row), "Can be personalised.");
  const missing = { ...row, personal_missing: "pip install 'floe[train]'" };
  assert.equal(last(missing), "Can be personalised after installing: pip install 'floe[train]'");
});

test("a download can be paused while it goes on, and resumed or tried again after", () => {
  const going = { name: "a.gguf", state: "running", sentence: "1 of 2.", share: 0.5 };
  const part = draw({ ...VALUE, download: going });
  const shown = () =>
    ["Pause", "Resume", "Try again"].filter((text) => {
      const button = named(part, text);
      return button !== undefined && !button.hidden;
    });
  assert.deepEqual(shown(), ["Pause"]);
  assert.equal(part.element.querySelector("progress").value, 0.5);
  part.send({ ...VALUE, download: { ...going, state: "paused" } });
  assert.deepEqual(shown(), ["Resume"]);
  part.send({ ...VALUE, download: { ...going, state: "failed" } });
  assert.deepEqual(shown(), ["Try again"]);
  part.send({ ...VALUE, download: { ...going, state: "stopping" } });
  assert.deepEqual(shown(), []);
  part.send(VALUE);
  assert.equal(part.element.querySelector("[aria-label='Download']").hidden, true);
});
