/** What `import … from "refrain"` gives. */
export * from "./common.ts";
export type { Exported, ExportOptions } from "./model/export-gguf.ts";
export type { SaveOptions } from "./model/save-model.ts";
export { type LoadOptions, load, Model } from "./refrain.ts";
export type { HealResult } from "./train/heal.ts";
export type { HealOptions } from "./train/heal-options.ts";
