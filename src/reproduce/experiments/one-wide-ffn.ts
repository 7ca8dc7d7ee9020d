/**
 * One Wide Feedforward Is All You Need (arXiv 2309.01826): attention of its own for each layer, one feed-forward for all,
 * widened until the parameters are those of the ordinary model.
 */
import type { Experiment } from "../experiment.ts";
import { type LlamaShape, llama, sized, uniqueParameters } from "../shapes.ts";

const BLOCKS = 6;
const shape: LlamaShape = { width: 96, blocks: BLOCKS, heads: 6, ffn: 256 };
const own = llama(shape);
const oneFfn = Array.from({ length: BLOCKS }, (_, block) => `a${block} f0`).join(" ");

export const oneWideFfn: Experiment = {
  name: "one-wide-ffn",
  title: "One feed-forward for all layers",
  paper: "One Wide Feedforward Is All You Need (arXiv 2309.01826)",
  objective: "next token",
  arms: [
    { name: "own", what: "each layer its own feed-forward", model: own },
    { name: "shared", what: "one feed-forward, not widened", model: own, schedule: oneFfn },
    {
      name: "one-wide",
      what: "one feed-forward, widened to equal parameters",
      ...sized(uniqueParameters({ model: own }), (ffn) => ({ model: llama({ ...shape, ffn }), schedule: oneFfn })),
    },
  ],
  claims: [
    { says: "one feed-forward for all loses modestly, with far fewer parameters", better: "own", worse: "shared" },
    { says: "widened to equal parameters it wins (+0.9 BLEU)", better: "one-wide", worse: "own" },
  ],
  remarks: [
    "The paper's are encoder–decoders for translation, its shared feed-forward is the encoder's; it has none in the decoder.",
    "Equal parameters are not equal arithmetic: the wide feed-forward is computed in every layer.",
  ],
};
