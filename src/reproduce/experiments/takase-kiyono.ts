/**
 * Lessons on Parameter Sharing across Layers in Transformers (Takase & Kiyono, arXiv 2104.06022): M blocks are played N
 * times in three orders. Theirs are encoder–decoders for translation, these are decoders; all arms have M = 6 blocks'
 * parameters. Average BLEU of newstest 2010–2016 is the paper's.
 */
import type { Experiment } from "../experiment.ts";
import { type LlamaShape, llama, sized, uniqueParameters } from "../shapes.ts";

const shape: LlamaShape = { width: 96, blocks: 6, heads: 6, ffn: 256 };
const model = llama(shape);

export const takaseKiyono: Experiment = {
  name: "takase-kiyono",
  title: "In which order to play shared blocks",
  paper: "Lessons on Parameter Sharing across Layers in Transformers (arXiv 2104.06022)",
  objective: "next token",
  arms: [
    { name: "vanilla", what: "6 blocks, each once", model, paper: "26.57 BLEU" },
    {
      name: "universal",
      what: "one wide block, 6 times",
      ...sized(
        uniqueParameters({ model }),
        (width) => ({
          model: llama({ ...shape, width, heads: width / 16, blocks: 1, ffn: Math.round((width * 8) / 3 / 8) * 8 }),
          schedule: "0x6",
        }),
        16,
      ),
      paper: "26.90 BLEU",
    },
    { name: "sequence-12", what: "SEQUENCE, 12 plays", model, schedule: "each(0-5)x2", paper: "27.13 BLEU" },
    { name: "cycle-12", what: "CYCLE, 12 plays", model, schedule: "(0-5)x2", paper: "27.04 BLEU" },
    { name: "cycle-rev-12", what: "CYCLE (REV), 12 plays", model, schedule: "0-5 5-0", paper: "27.08 BLEU" },
    { name: "sequence-18", what: "SEQUENCE, 18 plays", model, schedule: "each(0-5)x3", paper: "27.02 BLEU" },
    { name: "cycle-18", what: "CYCLE, 18 plays", model, schedule: "(0-5)x3", paper: "27.25 BLEU" },
    { name: "cycle-rev-18", what: "CYCLE (REV), 18 plays", model, schedule: "(0-5)x2 5-0", paper: "27.31 BLEU" },
  ],
  claims: [
    { says: "one wide block played 6 times beats 6 blocks (+0.33)", better: "universal", worse: "vanilla" },
    { says: "SEQUENCE, 12 plays, beats 6 (+0.56)", better: "sequence-12", worse: "vanilla" },
    { says: "CYCLE, 12 plays, beats 6 (+0.47)", better: "cycle-12", worse: "vanilla" },
    { says: "CYCLE (REV), 12 plays, beats 6 (+0.51)", better: "cycle-rev-12", worse: "vanilla" },
    { says: "12 plays: SEQUENCE beats CYCLE (+0.09)", better: "sequence-12", worse: "cycle-12" },
    { says: "18 plays: CYCLE beats SEQUENCE (+0.23)", better: "cycle-18", worse: "sequence-18" },
    { says: "18 plays: CYCLE (REV) beats CYCLE (+0.06)", better: "cycle-rev-18", worse: "cycle-18" },
  ],
  remarks: [
    "Theirs are encoder–decoders with norms behind the blocks and a start of its own (Admin); these are Llamas.",
  ],
};
