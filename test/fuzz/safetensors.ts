/**
 * Damaged safetensors files: the header is all that is parsed. Bytes damaged at random seldom leave a tensor whose shape
 * and offsets agree, so the corpus also has files that are well written but badly laid out.
 */
import { bytesSource } from "../../src/weights/byte-source.ts";
import { entry, safetensorsBytes } from "../../src/weights/safetensors.testing.ts";
import { readSafetensorsHeader } from "../../src/weights/safetensors.ts";
import type { Target } from "./fuzz.ts";
import { type Random, seededRandom, words } from "./mutate.ts";

const model = {
  __metadata__: { format: "pt", note: 'a "quoted" \\ line\n\u00e4\u{1f600}' },
  "model.embed_tokens.weight": entry("F16", [4, 3], 0, 24),
  "model.norm.weight": entry("BF16", [3], 24, 30),
  empty: entry("F32", [0, 5], 30, 30),
  scalar: entry("I8", [], 30, 31),
};

/** Tensors one after the other, now and then with a gap or an overlap. */
function untidy(random: Random): Uint8Array {
  let end = 0;
  const entries = Array.from({ length: 1 + random.below(5) }, (_, index) => {
    const [dtype, size] = (
      [
        ["F32", 4],
        ["BF16", 2],
        ["U8", 1],
      ] as const
    )[random.below(3)]!;
    const elements = random.below(4);
    const begin = Math.max(0, end + ([-4, 4, 8][random.below(12)] ?? 0));
    end = begin + size * elements;
    return [`t${index}`, entry(dtype, [elements], begin, end)] as const;
  });
  return safetensorsBytes(Object.fromEntries(entries), end);
}

export const safetensors: Target = {
  name: "safetensors",
  material: {
    corpus: [
      safetensorsBytes(model, 31),
      safetensorsBytes(`${JSON.stringify({ a: entry("F32", [2], 0, 8), b: entry("F64", [1], 8, 16) })}   `, 16),
      safetensorsBytes({}),
      ...Array.from({ length: 32 }, (_, seed) => untidy(seededRandom(seed))),
    ],
    dictionary: words(
      ...[
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        '"',
        "\\",
        "\\u0000",
        "\\ud800",
        "-",
        ".",
        "e9",
        "null",
        "true",
        " ",
        "\n",
        "\0",
      ],
      ...[
        '"dtype":',
        '"shape":',
        '"data_offsets":',
        '"__metadata__":',
        '"a":{',
        '{"a":',
        '"__proto__":',
        '"F32"',
        '"F4"',
      ],
      ...[
        '"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},',
        "[0,0]",
        "18446744073709551615",
        "\u00e4",
        "\u{1f600}",
      ],
    ),
  },
  repair: (bytes) => {
    const length = bytes.lastIndexOf("}".charCodeAt(0)) - 7;
    if (length > 0) new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  },
  read: async (bytes) => {
    const { tensors } = await readSafetensorsHeader(bytesSource("fuzz.safetensors", bytes));
    // What is accepted must be readable: every tensor in the file, and as long as its shape says.
    for (const { name, begin, end } of tensors.values()) {
      if (begin < 8 || begin > end || end > bytes.length) throw new Error(`accepted ${name} at ${begin} to ${end}`);
    }
  },
};
