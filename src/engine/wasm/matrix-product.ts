/** Products of float64 matrices, on all threads of a player: for solving, where float32 does not do. */
import { callBytes, encodeCalls } from "../program.ts";
import type { WasmPlayer } from "./player.ts";

/** A B: [rows, inner] times [inner, columns], row-major. */
export type MatrixProduct = (a: Float64Array, b: Float64Array, inner: number, columns: number) => Float64Array;

/** Takes memory for all three matrices while it computes. Throws `address-space`, `memory`. */
export function matrixProduct(player: WasmPlayer): MatrixProduct {
  return (a, b, inner, columns) => {
    const rows = a.length / inner;
    if (!Number.isInteger(rows) || b.length !== inner * columns) {
      throw new Error(
        `matrixProduct: ${a.length} and ${b.length} numbers are no [?, ${inner}] and [${inner}, ${columns}]`,
      );
    }
    const panel = (inner + 4) * 32;
    const program = player.allocate(
      callBytes(1) + 8 * (a.length + b.length + rows * columns) + player.threads * panel,
      "a matrix product",
    );
    try {
      const panels = program + callBytes(1);
      const [left, right] = [panels + player.threads * panel, panels + player.threads * panel + a.byteLength];
      const product = right + b.byteLength;
      const words = [left, right, product, rows, inner, columns, panels, panel];
      const call = encodeCalls([{ kernel: "matrixProduct", words }], (kernel) => player.opcode(kernel));
      player.integers(program, call.length).set(call);
      const numbers = (address: number, length: number) => new Float64Array(player.memory.buffer, address, length);
      numbers(left, a.length).set(a);
      numbers(right, b.length).set(b);
      player.play(program, 1, 0, 0);
      return numbers(product, rows * columns).slice();
    } finally {
      player.free(program);
    }
  };
}
