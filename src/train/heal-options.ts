/** What a healing is told: which numbers learn, from what, and for how long. */
import { inputError } from "../errors.ts";
import type { AdaptedModules } from "../model/adapter.ts";
import type { OnProgress } from "../progress.ts";

/** Which numbers learn. */
export type Healed =
  /** A LoRA adapter beside frozen weights. */
  | { readonly kind: "lora"; readonly rank: number; readonly modules: AdaptedModules }
  /** All weights of the blocks that the last `count` steps play, of the final norm and of the output projection. */
  | { readonly kind: "layers"; readonly count: number }
  /** Every weight that is played. */
  | { readonly kind: "all" };

/** Who the student learns from, besides the text. */
export interface Teacher {
  /** A path or a name on the hub; without it, the file that the student comes from. */
  readonly model?: string | undefined;
  /** Without it, the one that the teacher's checkpoint brings, e.g. the unshrunk order. */
  readonly schedule?: string | undefined;
  /** T: both distributions are softened by it. 1 */
  readonly temperature?: number | undefined;
  /** What the divergence from the teacher counts; 1. */
  readonly weight?: number | undefined;
  /** What the mean squared difference of the residual streams counts; 0. */
  readonly hidden?: number | undefined;
}

/** Tokens make a run that can be repeated. What seconds buy depends on the machine and on what else it does. */
export type Budget = { readonly tokens: number } | { readonly seconds: number };

export interface HealOptions {
  /** LoRA of rank 8 on all linear maps. */
  readonly healed?: Healed | undefined;
  readonly teacher?: Teacher | undefined;
  /** What the cross-entropy on the text counts: 1; with a teacher 0. */
  readonly crossEntropy?: number | undefined;
  readonly budget: Budget;
  /** Of a batch; 4. */
  readonly sequences?: number | undefined;
  /** Tokens of a sequence; 128, or the model's context. */
  readonly length?: number | undefined;
  /** The highest learning rate; 1e-3 for adapters, 1e-4 for weights. It rises over a twentieth of the run, then falls along a cosine. */
  readonly rate?: number | undefined;
  readonly seed?: number | undefined;
  /** Tokens from the end of the text that the loss before and after is measured on, at most a tenth of the text; 2,048. */
  readonly heldOutTokens?: number | undefined;
  /** Where a checkpoint and a log are kept while it runs: `STATE.safetensors` and `STATE.jsonl`. Without it, nothing is kept. */
  readonly state?: string | undefined;
  /** Go on with what is kept there. */
  readonly resume?: boolean | undefined;
  /** Lines for a person who waits: the plan of memory, what a budget buys. */
  readonly note?: ((line: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/** With all defaults: what decides the result, besides the model and the text. */
export interface HealSettings {
  readonly healed: Healed;
  readonly teacher:
    | { readonly model?: string; readonly schedule?: string; temperature: number; weight: number; hidden: number }
    | undefined;
  readonly crossEntropy: number;
  readonly budget: Budget;
  readonly sequences: number;
  readonly length: number;
  readonly rate: number;
  readonly seed: number;
  readonly heldOutTokens: number;
}

/** Throws `heal-options` where the model cannot read sequences of this length or nothing would be learned. */
export function healSettings(options: HealOptions, contextLength: number): HealSettings {
  const { healed = { kind: "lora", rank: 8, modules: "all" }, budget, teacher } = options;
  const { sequences = 4, length = Math.min(128, contextLength), seed = 0, heldOutTokens = 2048 } = options;
  const rate = options.rate ?? (healed.kind === "lora" ? 1e-3 : 1e-4);
  const crossEntropy = options.crossEntropy ?? (teacher ? 0 : 1);
  if (length > contextLength) {
    throw inputError(
      "heal-options",
      `sequences of ${length} tokens are longer than the ${contextLength} that the model was made for`,
      "Ask for a shorter --length.",
    );
  }
  const { temperature = 1, weight = 1, hidden = 0, model, schedule } = teacher ?? {};
  if (crossEntropy === 0 && (!teacher || (weight === 0 && hidden === 0))) {
    throw inputError("heal-options", "nothing is learned: every part of the loss counts 0", "Let one of them count 1.");
  }
  const names = { ...(model !== undefined && { model }), ...(schedule !== undefined && { schedule }) };
  return {
    healed,
    teacher: teacher && { ...names, temperature, weight, hidden },
    crossEntropy,
    budget,
    sequences,
    length,
    rate,
    seed,
    heldOutTokens,
  };
}
