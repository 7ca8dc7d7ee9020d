import { expect, it } from "vitest";
import { fuzz } from "./fuzz.ts";
import { safetensors } from "./safetensors.ts";

it("safetensors: 3,000 damaged files are read or refused, and every check is reached", async () => {
  const { accepted, refused } = await fuzz(safetensors, 0, 3000);
  expect(accepted).toBeGreaterThan(10);
  const codes = ["truncated", "header", "dtype", "shape", "hole", "overlap", "trailing", "misaligned"];
  expect([...refused.keys()].sort()).toEqual(codes.map((code) => `safetensors-${code}`).sort());
});
