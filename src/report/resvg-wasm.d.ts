/** The part of @resvg/resvg-wasm that we use; its own types need the DOM, and its `exports` hide them. */
declare module "@resvg/resvg-wasm" {
  export function initWasm(module: Uint8Array | WebAssembly.Module): Promise<void>;
  export class Resvg {
    constructor(
      svg: string,
      options: {
        font: { fontBuffers: Uint8Array[]; defaultFontFamily: string; sansSerifFamily: string };
        fitTo: { mode: "zoom"; value: number };
        background: string;
      },
    );
    render(): { asPng(): Uint8Array; free(): void };
    free(): void;
  }
}
