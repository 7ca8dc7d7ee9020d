/**
 * Products of whole numbers as transformers.js's `q8` files have them, its default in WebAssembly: weights in 8 bits with a scale
 * for each row, activations rounded to 8 bits when the graph is played, one integer product for all of K. In WebAssembly this
 * is several times faster than MatMulNBits, which has no kernel of its own there.
 */
import { floats } from "./weights.mjs";

/**
 * Makes `linear(input, name, output)`: values · matrix.
 * @param {import("./schema.mjs").GraphBuilder} graph
 */
export function dynamicLinear(graph, checkpoint) {
  const matrices = new Set();
  const inputs = new Set();
  const matrix = async (name) => {
    if (matrices.has(name)) return;
    matrices.add(name);
    const { dims, data } = await floats(checkpoint, name);
    const [rows, columns] = dims;
    const values = new Int8Array(rows * columns);
    const scales = new Float32Array(rows);
    for (let r = 0; r < rows; r++) {
      const row = data.subarray(r * columns, (r + 1) * columns);
      scales[r] = row.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127;
      // The operator wants [K, N].
      for (let c = 0; c < columns; c++) values[c * rows + r] = Math.round(row[c] / scales[r]);
    }
    graph.constant(`${name} int8`, "int8", [columns, rows], values);
    graph.constant(`${name} scales`, "float32", [rows], scales);
  };
  return async (input, name, output) => {
    await matrix(name);
    const rounded = [`${input} uint8`, `${input} scale`, `${input} zero`];
    if (!inputs.has(input)) graph.node("DynamicQuantizeLinear", [input], rounded);
    inputs.add(input);
    const [values, scale, zero] = rounded;
    const operands = [values, `${name} int8`, scale, `${name} scales`, zero];
    return graph.node("com.microsoft:MatMulIntegerToFloat", operands, [output]);
  };
}
