import fc from "fast-check";
import { expect, it } from "vitest";
import { escapeText, Markup, markup } from "./markup.ts";

it("escapes text, writes numbers with two decimals, lets markup in", () => {
  const inner = markup`<b>${"a & b"}</b>`;
  expect(markup`<p title="${`"'`}">${"<script>"} ${1 / 3} ${2} ${inner}</p>`.source).toBe(
    `<p title="&quot;&#39;">&lt;script&gt; 0.33 2 <b>a &amp; b</b></p>`,
  );
});

it("writes lists without commas, nothing as nothing", () => {
  expect(markup`[${[markup`<i/>`, ["x", undefined, false]]}]`.source).toBe("[<i/>x]");
});

it("refuses to draw at NaN", () => {
  expect(() => markup`<rect x="${Number.NaN}"/>`).toThrow("NaN is no place to draw at");
});

it("what XML forbids becomes a replacement character", () => {
  expect(escapeText("a\u0000b\u001b\ud800c\ufffed\te\nf")).toBe("a\ufffdb\ufffd\ufffdc\ufffdd\te\nf");
  expect(escapeText("😀")).toBe("😀");
});

it("no text can open a tag or close an attribute", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      expect(escapeText(text)).not.toMatch(/[<>"']|&(?!(amp|lt|gt|quot|#39);)/);
    }),
  );
});

it("markup is told from text by what it is, not by how it looks", () => {
  expect(markup`${"<b>"}${new Markup("<b>")}`.source).toBe("&lt;b&gt;<b>");
});
