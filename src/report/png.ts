/**
 * SVG to PNG with resvg in WebAssembly: no browser, no native code, and the same picture on every machine, because
 * the font comes along (PT Sans Caption, Latin, regular and bold) instead of from the system. Characters outside of
 * Latin, say in the name of a file, become boxes in the PNG; the SVG has them. Where the bytes come from is for the
 * rim: `node-png.ts`.
 */
import { initWasm, Resvg } from "@resvg/resvg-wasm";
import { failure } from "../errors.ts";

export interface PngParts {
  /** resvg's WebAssembly module. */
  readonly wasm: Uint8Array;
  /** TrueType, OpenType or WOFF2. */
  readonly fonts: readonly Uint8Array[];
}

const FAMILY = "PT Sans Caption";

let started: Promise<void> | undefined;

/** A PNG file with `scale` dots for each pixel of the SVG. Fails with `png-render` if resvg cannot read the SVG. */
export async function renderPng(svg: string, { wasm, fonts }: PngParts, scale = 1): Promise<Uint8Array> {
  // resvg is one instance for the whole process and refuses a second start.
  started ??= initWasm(wasm);
  await started;
  try {
    const resvg = new Resvg(svg, {
      font: { fontBuffers: [...fonts], defaultFontFamily: FAMILY, sansSerifFamily: FAMILY },
      fitTo: { mode: "zoom", value: scale },
      background: "#ffffff",
    });
    const image = resvg.render();
    const png = image.asPng();
    image.free();
    resvg.free();
    return png;
  } catch (cause) {
    throw failure("png-render", `the picture could not be drawn as a PNG: ${cause}`, "Use the SVG instead.", cause);
  }
}
