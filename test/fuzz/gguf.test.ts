import { expect, it } from "vitest";
import { fuzz } from "./fuzz.ts";
import { gguf } from "./gguf.ts";

it("gguf: 5,000 damaged files are read or refused, and the checks are reached", async () => {
  const { accepted, refused } = await fuzz(gguf, 0, 5000);
  expect(accepted).toBeGreaterThan(100);
  const header = ["magic", "version", "big-endian", "truncated", "limit", "name", "value-type", "nesting", "bool"];
  const tensors = ["duplicate", "tensor-type", "tensor-shape", "tensor-offset"];
  const model = ["architecture", "key", "no-model", "tensor-name"];
  const codes = [...header, ...tensors, ...model].map((code) => `gguf-${code}`);
  expect([...refused.keys()]).toEqual(expect.arrayContaining(codes));
});
