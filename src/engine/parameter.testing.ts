/** Parameters for tests that need any. */
import type { Parameter } from "./parameter.ts";

export const matrix = (rows: number, columns: number, name = "w"): Parameter => ({
  name,
  kind: "matrix",
  rows,
  columns,
  part: "ffn",
});
