/** A model's name for a title or a table: without its folder, its ending, and where it was fetched from. */

export function shortName(name: string): string {
  const path = name
    .replace(/^hf:/, "")
    .replace(/@[^@/]*$/, "")
    .replace(/[\\/]+$/, "");
  const last = path.split(/[\\/]/).at(-1)!;
  return last.replace(/\.(gguf|bin|safetensors)$/, "") || name;
}
