import fc from "fast-check";
import { expect, it } from "vitest";
import { TextList } from "./text-list.ts";

it("gives back the texts that it was made of, whatever characters meet at their borders", () => {
  const text = fc.oneof(fc.string({ unit: "binary", maxLength: 6 }), fc.constantFrom("", "\ufeff", "é", "🦙"));
  fc.assert(
    fc.property(fc.array(text), (texts) => {
      const list = TextList.of(texts);
      expect(list.toArray()).toEqual(texts);
      expect(list.length).toBe(texts.length);
    }),
  );
});

it("shows half of a surrogate pair, and bytes that are no UTF-8, as U+FFFD", () => {
  expect(TextList.of(["a\ud83e", "\udd99b", "c"]).toArray()).toEqual(["a\ufffd", "\ufffdb", "c"]);
  expect(new TextList(Uint8Array.of(0x61, 0xff), Uint32Array.of(2)).text(0)).toBe("a\ufffd");
});
