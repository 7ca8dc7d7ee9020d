/** The normal distribution function Φ in float64, for the reference player: JavaScript has no error function. */

/**
 * Φ(x) = ½ erfc(-x / √2) to about 1e-15: for |x| < 3 the series of erf (Abramowitz & Stegun 1964, 7.1.6), whose terms are all
 * positive, beyond it the continued fraction of erfc (7.1.14), from its end.
 */
export function normalDistribution(x: number): number {
  const z = Math.abs(x);
  const density = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
  if (z < 3) {
    let term = z;
    let sum = term;
    for (let n = 1; term > sum * 1e-17; n++) {
      term *= (z * z) / (2 * n + 1);
      sum += term;
    }
    return x < 0 ? 0.5 - density * sum : 0.5 + density * sum;
  }
  let fraction = z;
  for (let n = 120; n > 0; n--) fraction = z + n / fraction;
  return x < 0 ? density / fraction : 1 - density / fraction;
}
