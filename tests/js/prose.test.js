// Which token each character of a drawn text comes from.
"use strict";

const assert = require("node:assert/strict");
const { test } = require("node:test");
const { openPage } = require("./page.js");

const { floe } = openPage("chat/tokens.js", "chat/prose_tokens.js");

/** The drawn text, cut where another token begins; `-` stands for no token. */
const cut = (tokens, drawn, from = 0) => {
  const owners = [];
  let spelled = "";
  tokens.forEach((token, n) => {
    for (const unit of token.replace(/\s+/g, "").split("")) {
      spelled += unit;
      owners.push(n);
    }
  });
  const text = drawn.replace(/\s+/g, "");
  const { owner, to } = floe.alignText(text, spelled, owners, from);
  const pieces = [];
  [...owner].forEach((token, i) => {
    const last = pieces.at(-1);
    if (last && last[0] === token) last[1] += text[i];
    else pieces.push([token, text[i]]);
  });
  return { pieces, to, spelled };
};

test("plain text is the tokens' own", () => {
  const { pieces } = cut(["The", " sky", " is", " bl", "ue", "."], "The sky is blue.");
  assert.deepEqual(pieces, [
    [0, "The"],
    [1, "sky"],
    [2, "is"],
    [3, "bl"],
    [4, "ue"],
    [5, "."],
  ]);
});

test("marks of Markdown are passed over", () => {
  const tokens = ["## ", "Head", "\n\n", "A **", "b", "old", "** `", "code", "` and [", "wo"];
  tokens.push("rds](https://example.org/", "a/long/address", ") ", "follow", ".");
  const { pieces } = cut(tokens, "Head A bold code and words follow.");
  assert.deepEqual(pieces, [
    [1, "Head"],
    [3, "A"],
    [4, "b"],
    [5, "old"],
    [7, "code"],
    [8, "and"],
    [9, "wo"],
    [10, "rds"],
    [13, "follow"],
    [14, "."],
  ]);
});

test("what nobody wrote belongs to no token, and what follows is found again", () => {
  const { pieces } = cut(["- [x]", " buy", " milk"], "✓buy milk");
  assert.deepEqual(pieces, [
    [-1, "✓"],
    [1, "buy"],
    [2, "milk"],
  ]);
});

test("a formula that is drawn otherwise does not lose the text behind it", () => {
  const tokens = ["So ", "$\\frac", "{a}{b}$", " is", " a fraction", " of", " two", " numbers"];
  const { pieces } = cut(tokens, "So is a fraction of two numbers");
  assert.deepEqual(
    pieces.map(([token]) => token),
    [0, 3, 4, 5, 6, 7],
  );
});

test("blocks follow one another", () => {
  const tokens = ["One", " one", "\n\n", "Two", " one"];
  const first = cut(tokens, "One one");
  const { pieces } = cut(tokens, "Two one", first.to);
  assert.deepEqual(pieces, [
    [3, "Two"],
    [4, "one"],
  ]);
});

test("text that has nothing of the tokens takes no time and no token", () => {
  const { pieces } = cut(["abc".repeat(20_000)], "é".repeat(100_000));
  assert.deepEqual(
    pieces.map(([token]) => token),
    [-1],
  );
});

test("halves of a character and the end of the text spell nothing", () => {
  const row = (text, part) => [text, part, "", "fused", 0.5, 0.1, 0.2, 0.3, 5, []];
  assert.equal(floe.spelling(row("a‹F0\u202f9F›", 1)), "a");
  assert.equal(floe.spelling(row("🙂", 2)), "🙂");
  assert.equal(floe.spelling(row("‹end›", 0)), "");
  assert.equal(floe.shadeOf(row("a", 0)), "both-3");
  assert.equal(floe.shadeOf(["a", 0, "", "late", 1, 0.4, null, 0.4, 5, []]), "late");
});
