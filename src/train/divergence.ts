/**
 * When a loss has diverged: it is no finite number; or, smoothed, it is a nat above where it began, or far above the least that it was. A rise by
 * chance does neither; a rate that is too high does both, soon. From 2.0 the second limit is 4.0.
 */

/** Of the running mean; it is that of about the last 20 steps. */
const KEPT = 0.95;
/** Steps that the mean needs. */
const PATIENCE = 20;

export class Divergence {
  private seen = 0;
  private mean = 0;
  private first = Number.POSITIVE_INFINITY;
  private least = Number.POSITIVE_INFINITY;

  /** Takes the loss of the next step; what is wrong, in words, where something is. */
  see(loss: number): string | undefined {
    if (!Number.isFinite(loss)) return `the loss is ${loss}`;
    this.seen++;
    this.mean = this.seen === 1 ? loss : KEPT * this.mean + (1 - KEPT) * loss;
    if (this.seen === 1) this.first = loss;
    const limit = Math.min(this.first, 1.5 * this.least) + 1;
    if (this.seen > PATIENCE) this.least = Math.min(this.least, this.mean);
    if (this.seen <= PATIENCE || this.mean <= limit) return undefined;
    return `the loss rose to ${this.mean.toFixed(2)}, ${this.first.toFixed(2)} at the beginning and ${Math.min(this.first, this.least).toFixed(2)} at best`;
  }
}
