/** The likeliest token: the first of the greatest logits. */
export function indexOfGreatest(values) {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}
