/**
 * First weights of a model that is trained from scratch: normal with a standard deviation of 0.02, norms 1, biases 0 (GPT-2, Radford et al.
 * 2019). The matrices that write into the residual stream are drawn smaller by √(2 · effective depth), for the stream is the sum of
 * that many of their outputs; a block that is played twice writes twice, so it is the played depth that counts.
 */
import type { Parameter } from "../engine/parameter.ts";
import { createRandom, type Random } from "../generate/random.ts";
import type { Steps } from "../schedule/schedule.ts";
import { effectiveDepth } from "../schedule/stats.ts";
import { initialRecurrence, isRecurrent } from "./recurrence.ts";

/** Matrices whose outputs are added to the residual stream, by the end of their name. */
const residual = /\.(o_proj|down_proj|c_proj)\.weight$/;

export interface InitializeOptions {
  /** An integer from 0 to 2^20 - 1. */
  readonly seed: number;
  /** Standard deviation of the weights; 0.02. */
  readonly deviation?: number;
  /** Numbers to write to, at least as many as the parameter has: else each parameter's are garbage until they are collected. */
  readonly room?: Float32Array;
}

/** First values of a parameter, row-major [rows, columns]. The same seed gives the same whatever other parameters there are. */
export function initialValues(
  parameter: Parameter,
  steps: Steps,
  { seed, deviation = 0.02, room }: InitializeOptions,
): Float32Array {
  const { name, kind, part, rows, columns } = parameter;
  const count = rows * columns;
  const values = room ? room.subarray(0, count).fill(0) : new Float32Array(count);
  if (isRecurrent(parameter)) return initialRecurrence(parameter);
  if (kind === "vector") return name.endsWith(".bias") || part !== "norm" ? values : values.fill(1);
  if (name.includes(".lora_B.")) return values;
  // As an adapter begins: A of the variance that PEFT gives it, B zero, so that at first all plays of a block are alike.
  const pair = name.includes(".lora_A.") ? 1 / Math.sqrt(3 * columns) : undefined;
  const scale = pair ?? (residual.test(name) ? deviation / Math.sqrt(2 * effectiveDepth(steps)) : deviation);
  const random = createRandom((seed % 2 ** 20) * 2 ** 32 + (hash(name) >>> 0));
  for (let i = 0; i < values.length; i += 2) {
    const [a, b] = normalPair(random);
    values[i] = a * scale;
    if (i + 1 < values.length) values[i + 1] = b * scale;
  }
  return values;
}

/** Two independent numbers of mean 0 and deviation 1 (Box and Muller 1958). */
function normalPair(random: Random): [number, number] {
  // 1 - u is never 0.
  const radius = Math.sqrt(-2 * Math.log(1 - random()));
  const angle = 2 * Math.PI * random();
  return [radius * Math.cos(angle), radius * Math.sin(angle)];
}

/** FNV-1a. */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h;
}
