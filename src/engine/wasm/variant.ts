/**
 * Which build of the kernels this machine can run best: SIMD with a fast 32-bit dot product, relaxed SIMD, or plain; threads or
 * one thread. Found by asking the engine, never by a version number.
 */

export interface Variant {
  /** `dot` where relaxed SIMD's 32-bit dot product is one instruction, `relaxed` where it is several. */
  readonly simd: "dot" | "relaxed" | "plain";
  readonly threads: boolean;
}

export const variantName = (variant: Variant): string => `${variant.simd}-${variant.threads ? "threads" : "single"}`;

/** A module with one function without parameters, exported as "f". */
function moduleOf(resultType: number, body: readonly number[]): Uint8Array<ArrayBuffer> {
  const code = [0x00, ...body, 0x0b];
  const sections = [
    [0x01, 0x05, 0x01, 0x60, 0x00, 0x01, resultType],
    [0x03, 0x02, 0x01, 0x00],
    [0x07, 0x05, 0x01, 0x01, 0x66, 0x00, 0x00],
    [0x0a, code.length + 2, 0x01, code.length, ...code],
  ];
  return Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, ...sections.flat());
}

const I32 = 0x7f;
const V128 = 0x7b;
/** i8x16.splat of 0, 127, -1 and -128. */
const ZEROS = [0x41, 0x00, 0xfd, 0x0f];
const BYTES_127 = [0x41, 0xff, 0x00, 0xfd, 0x0f];
const BYTES_255 = [0x41, 0x7f, 0xfd, 0x0f];
const BYTES_128 = [0x41, 0x80, 0x7f, 0xfd, 0x0f];
const I16_DOT = [0xfd, 0x92, 0x02];
const I32_DOT_ADD = [0xfd, 0x93, 0x02];
const FIRST_LANE = [0xfd, 0x1b, 0x00];

export const hasSimd = (): boolean => WebAssembly.validate(moduleOf(V128, ZEROS));
export const hasRelaxedSimd = (): boolean => WebAssembly.validate(moduleOf(V128, [...ZEROS, ...ZEROS, ...I16_DOT]));

/**
 * True where the engine emits the processor's own 32-bit dot product. What relaxed SIMD leaves open tells: with an operand out
 * of range, vpdpbusd (x64) gives 4 · 127 · 255 and sdot (Arm) 4 · 128 · 128, while sequences that pass through 16 bits saturate
 * or wrap there.
 */
export function hasDotInstruction(): boolean {
  if (!hasRelaxedSimd()) return false;
  const dot = (a: readonly number[], b: readonly number[]): number => {
    const module = new WebAssembly.Module(moduleOf(I32, [...a, ...b, ...ZEROS, ...I32_DOT_ADD, ...FIRST_LANE]));
    return (new WebAssembly.Instance(module).exports.f as () => number)();
  };
  return dot(BYTES_127, BYTES_255) === 4 * 127 * 255 || dot(BYTES_128, BYTES_128) === 4 * 128 * 128;
}

/** Shared memory can be made: in a browser only where the page is cross-origin isolated. */
export function hasSharedMemory(): boolean {
  try {
    new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    return true;
  } catch {
    return false;
  }
}

/** The fastest variant that runs here. */
export function bestVariant(): Variant {
  const simd = hasDotInstruction() ? "dot" : hasRelaxedSimd() ? "relaxed" : "plain";
  return { simd, threads: hasSharedMemory() };
}
