/** log softmax(row / temperature). */
export function logSoftmax(row: Float64Array, temperature = 1): Float64Array {
  const most = Math.max(...row);
  const sum = row.reduce((s, v) => s + Math.exp((v - most) / temperature), 0);
  return row.map((v) => (v - most) / temperature - Math.log(sum));
}
