/** The config of a checkpoint, with what some files keep in a tensor instead: GGUF's factors of rotary frequencies. */
import { inputError } from "../errors.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { type ModelConfig, parseConfig } from "./config.ts";
import { readVector } from "./load-weights.ts";

/** Divisors of the rotary frequencies [head width / 2], as llama.cpp's converter writes them for Llama 3. */
const FACTORS = "rope_freqs.weight";

export async function readConfig(checkpoint: Checkpoint): Promise<ModelConfig> {
  const config = parseConfig(checkpoint.config, checkpoint.path);
  const tensor = checkpoint.tensors.get(FACTORS);
  if (!tensor) return config;
  const half = config.headWidth / 2;
  if (tensor.shape.join() !== `${half}`) {
    throw inputError(
      "tensor-shape",
      `${checkpoint.path}: tensor ${FACTORS}: expected shape [${half}], got [${tensor.shape.join(", ")}]`,
    );
  }
  const factors = Array.from(await readVector(checkpoint, tensor));
  if (!factors.every((factor) => Number.isFinite(factor) && factor > 0)) {
    throw inputError(
      "weight-not-finite",
      `${checkpoint.path}: tensor ${FACTORS} holds a factor that is not above zero`,
    );
  }
  return { ...config, rope: { ...config.rope, scaling: { kind: "factors", factors } } };
}
