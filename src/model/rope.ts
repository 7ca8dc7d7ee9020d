/** Tables of the rotary embedding: angle = position · frequency, frequency i = theta^(-2i / head width). */
import type { RopeTable } from "../engine/graph.ts";
import type { RopeConfig } from "./config.ts";

const f32 = Math.fround;

/**
 * Cosines and sines for `positions` positions, each [positions, headWidth / 2]; computed when they are first asked for, because
 * a graph that is only planned needs none.
 */
export function ropeTable(rope: RopeConfig, headWidth: number, positions: number): RopeTable {
  let table: RopeTable | undefined;
  const made = () => {
    table ??= computeTable(rope, headWidth, positions);
    return table;
  };
  return {
    get cosines() {
      return made().cosines;
    },
    get sines() {
      return made().sines;
    },
  };
}

/** Frequencies and angles are rounded to f32 where PyTorch rounds them: at position 2,000 the difference would show in the third digit. */
function computeTable(rope: RopeConfig, headWidth: number, positions: number): RopeTable {
  const half = headWidth / 2;
  const frequencies = Array.from({ length: half }, (_, i) =>
    stretched(frequency(rope.theta, headWidth, i), i, rope.scaling),
  );
  const cosines = new Float32Array(positions * half);
  const sines = new Float32Array(positions * half);
  for (let position = 0, at = 0; position < positions; position++) {
    for (let i = 0; i < half; i++, at++) {
      const angle = f32(position * frequencies[i]!);
      cosines[at] = Math.cos(angle);
      sines[at] = Math.sin(angle);
    }
  }
  return { cosines, sines };
}

const frequency = (theta: number, headWidth: number, i: number): number =>
  f32(1 / f32(theta ** f32((2 * i) / headWidth)));

/** Long wavelengths are stretched by `factor`, short ones kept, those between blended (Llama 3.1's model card). */
function stretched(frequency: number, i: number, scaling: RopeConfig["scaling"]): number {
  if (scaling.kind === "none") return frequency;
  if (scaling.kind === "linear") return f32(frequency / scaling.factor);
  if (scaling.kind === "factors") return f32(frequency / scaling.factors[i]!);
  const { factor, lowFrequencyFactor, highFrequencyFactor, originalContext } = scaling;
  const wavelength = (2 * Math.PI) / frequency;
  if (wavelength < originalContext / highFrequencyFactor) return frequency;
  if (wavelength > originalContext / lowFrequencyFactor) return f32(frequency / factor);
  const kept = (originalContext / wavelength - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor);
  return f32((1 - kept) * (frequency / factor) + kept * frequency);
}

/** What each frequency [headWidth / 2] is divided by, as GGUF files have it. */
export function ropeFactors(rope: RopeConfig, headWidth: number): Float32Array {
  return Float32Array.from({ length: headWidth / 2 }, (_, i) => {
    const plain = frequency(rope.theta, headWidth, i);
    return rope.scaling.kind === "factors" ? rope.scaling.factors[i]! : plain / stretched(plain, i, rope.scaling);
  });
}

/**
 * The Llama 3 scaling that gives these factors, if there is one: GGUF files keep the factors, a Hugging Face config the
 * four numbers behind them. Meta's models all have low 1 and high 4; the context that they were first made for is searched.
 */
export function llama3ScalingOf(rope: RopeConfig, headWidth: number): RopeConfig["scaling"] | undefined {
  if (rope.scaling.kind !== "factors") return undefined;
  const { factors } = rope.scaling;
  for (let originalContext = 16; originalContext <= 2 ** 20; originalContext *= 2) {
    const factor = Math.max(...factors);
    const scaling = { kind: "llama3", factor, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext } as const;
    const agrees = factors.every((expected, i) => {
      const plain = frequency(rope.theta, headWidth, i);
      return Math.abs(plain / stretched(plain, i, scaling) / expected - 1) < 1e-4;
    });
    if (agrees) return scaling;
  }
  return undefined;
}
