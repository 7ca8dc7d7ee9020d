/** The papers that can be tried. A new one is a file in experiments/ and a line here. */
import type { Experiment } from "./experiment.ts";
import { albertExperiment } from "./experiments/albert.ts";
import { mobilellm } from "./experiments/mobilellm.ts";
import { oneWideFfn } from "./experiments/one-wide-ffn.ts";
import { relaxedRecursive } from "./experiments/relaxed-recursive.ts";
import { takaseKiyono } from "./experiments/takase-kiyono.ts";

export const experiments: readonly Experiment[] = [
  mobilellm,
  takaseKiyono,
  albertExperiment,
  oneWideFfn,
  relaxedRecursive,
];
