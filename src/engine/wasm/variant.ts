/**
 * Which build of the kernels this machine can run: relaxed or plain SIMD, threads or one thread. Found by asking
 * `WebAssembly.validate`, never by a version number.
 */

export interface Variant {
  readonly simd: "relaxed" | "plain";
  readonly threads: boolean;
}

export const variantName = (variant: Variant): string => `${variant.simd}-${variant.threads ? "threads" : "single"}`;

/** Body of a function whose result the validator must accept: (func (result v128) …). */
function validates(body: readonly number[]): boolean {
  const type = [0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b];
  const functions = [0x03, 0x02, 0x01, 0x00];
  const code = [0x00, ...body, 0x0b];
  const section = [0x0a, code.length + 2, 0x01, code.length, ...code];
  return WebAssembly.validate(
    Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, ...type, ...functions, ...section),
  );
}

const I32_CONST_0 = [0x41, 0x00];
const I8X16_SPLAT = [0xfd, 0x0f];
/** i16x8.relaxed_dot_i8x16_i7x16_s of two zero vectors. */
const relaxedDot = [...I32_CONST_0, ...I8X16_SPLAT, ...I32_CONST_0, ...I8X16_SPLAT, 0xfd, 0x92, 0x02];

export const hasSimd = (): boolean => validates([...I32_CONST_0, ...I8X16_SPLAT]);
export const hasRelaxedSimd = (): boolean => validates(relaxedDot);

/** Memory can be shared with workers: in a browser only where the page is cross-origin isolated. */
export function hasSharedMemory(): boolean {
  // Chromium makes such memory on any page and refuses only to send it to a worker. Node knows no such pages.
  if (globalThis.crossOriginIsolated === false) return false;
  try {
    new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    return true;
  } catch {
    return false;
  }
}

/** The fastest variant that runs here. */
export function bestVariant(): Variant {
  return { simd: hasRelaxedSimd() ? "relaxed" : "plain", threads: hasSharedMemory() };
}
