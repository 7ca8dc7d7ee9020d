/** Where Node finds what `png.ts` needs: in the packages that carry resvg's WebAssembly and the font. */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { type PngParts, renderPng } from "./png.ts";

const require = createRequire(import.meta.url);
const FONT = "@fontsource/pt-sans-caption/files/pt-sans-caption-latin";

let parts: Promise<PngParts> | undefined;

/** A PNG file of an SVG picture; at scale 2 sharp on screens with fine dots. */
export async function svgToPng(svg: string, scale = 2): Promise<Uint8Array> {
  parts ??= readParts();
  return renderPng(svg, await parts, scale);
}

async function readParts(): Promise<PngParts> {
  const read = (name: string) => readFile(require.resolve(name));
  const [wasm, ...fonts] = await Promise.all([
    read("@resvg/resvg-wasm/index_bg.wasm"),
    read(`${FONT}-400-normal.woff2`),
    read(`${FONT}-700-normal.woff2`),
  ]);
  return { wasm, fonts };
}
