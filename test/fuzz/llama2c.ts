/** Damaged files of llama2.c: a few integers and a size that must follow from them. */
import { bytesSource } from "../../src/weights/byte-source.ts";
import { small, version0, version1 } from "../../src/weights/llama2c.testing.ts";
import { llama2cCheckpoint } from "../../src/weights/llama2c.ts";
import type { Target } from "./fuzz.ts";
import { words } from "./mutate.ts";

const tiny = { dim: 2, hidden: 1, layers: 1, heads: 1, kvHeads: 1, vocabulary: 1, context: 1 };

export const llama2c: Target = {
  name: "llama2c",
  material: {
    corpus: [
      version0({ sizes: tiny, floats: 32 }),
      version0({ floats: 1052 }),
      version0({ sizes: { ...small, vocabulary: -5 }, floats: 1092 }),
      version1({ sizes: tiny, floats: 30 }),
      version1({ floats: 1040 }),
      version1({ floats: 1080, tied: false }),
    ],
    dictionary: words("24ka", "\u0001\0\0\0", "\u0002\0\0\0", "\u0004\0\0\0", "\0\0\0\0"),
  },
  read: async (bytes) => {
    const { tensors, read } = await llama2cCheckpoint(bytesSource("fuzz.bin", bytes));
    for (const tensor of tensors.values()) {
      const elements = tensor.shape.reduce((product, dimension) => product * dimension, 1);
      const { length } = await read(tensor, 0, tensor.byteLength);
      if (length !== 4 * elements) throw new Error(`accepted ${tensor.name}, ${length} bytes`);
    }
  },
};
