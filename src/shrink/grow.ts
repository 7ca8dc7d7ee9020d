/**
 * Plays every block several times in a row, as MobileLLM-LS does (arXiv 2402.14905, section 2.3, immediate block-wise sharing):
 * as many parameters, more computation. The other arrangements are schedules that can be written by hand: "(0-29)x2".
 */
import { repeatEach } from "../schedule/edits.ts";
import { defineMethod } from "./method.ts";
import { integerOption } from "./method-options.ts";

export const growMethod = defineMethod({
  name: "grow",
  description: "plays every block several times in a row, to be trained further",
  paper: "MobileLLM: Optimizing Sub-billion Parameter Language Models for On-Device Use Cases (arXiv 2402.14905)",
  amounts: [],
  options: {
    times: integerOption({ hint: "N", min: 2, max: 64, default: 2, description: "how often every block is played" }),
  },
  run: async ({ model }, { times }) => ({
    steps: repeatEach(model.steps, times),
    dropped: [],
    scores: [],
    notes: [
      "A trained block that is played again does not do what it did: train the model further (refrain heal, or train with start) before you use it.",
    ],
  }),
});
