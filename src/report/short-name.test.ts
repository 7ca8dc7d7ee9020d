import { expect, it } from "vitest";
import { shortName } from "./short-name.ts";

it.each([
  ["hf:HuggingFaceTB/SmolLM2-135M", "SmolLM2-135M"],
  ["hf:org/name@v1.0", "name"],
  ["hf:org/name/file-Q4_0.gguf@main", "file-Q4_0"],
  ["/models/stories260K/stories260K.bin", "stories260K"],
  ["C:\\models\\small.gguf", "small"],
  ["../out/", "out"],
  ["shared-model", "shared-model"],
  ["/", "/"],
  [".gguf", ".gguf"],
])("%s is %s", (name, short) => {
  expect(shortName(name)).toBe(short);
});
