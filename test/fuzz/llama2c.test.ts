import { expect, it } from "vitest";
import { fuzz } from "./fuzz.ts";
import { llama2c } from "./llama2c.ts";

it("llama2c: 3,000 damaged files are read or refused, and every check is reached", async () => {
  const { accepted, refused } = await fuzz(llama2c, 0, 3000);
  expect(accepted).toBeGreaterThan(100);
  expect([...refused.keys()].sort()).toEqual(
    ["header", "size", "truncated", "version"].map((code) => `llama2c-${code}`),
  );
});
