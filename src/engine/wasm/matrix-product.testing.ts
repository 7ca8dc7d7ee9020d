/** The definition, for tests. */
import type { MatrixProduct } from "./matrix-product.ts";

export const plainProduct: MatrixProduct = (a, b, inner, columns) => {
  const product = new Float64Array((a.length / inner) * columns);
  for (let i = 0; i < product.length; i++) {
    const row = Math.floor(i / columns);
    for (let k = 0; k < inner; k++) product[i]! += a[row * inner + k]! * b[k * columns + (i % columns)]!;
  }
  return product;
};
