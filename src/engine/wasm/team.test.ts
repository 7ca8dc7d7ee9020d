import { expect, it } from "vitest";
import { Team } from "./team.ts";

/** Plays of 1 ms, each with a stall, until the team rests; when that is. */
function stallUntilRest(team: Team, from: number): number {
  let now = from;
  for (; team.next(now) > 1; now++) team.report(1, now, now + 1);
  return now;
}

it("plays with all threads where nobody comes late, and puts up with a stall now and then", () => {
  const team = new Team(4);
  for (let now = 0; now < 1000; now++) {
    expect(team.next(now)).toBe(4);
    team.report(now % 50 === 0 ? 2 : 0, now, now + 1);
  }
});

it("plays alone for a while after stalls in a row, longer each time that they come again, up to 3.2 s", () => {
  const team = new Team(2);
  const pauses = [];
  let now = 0;
  for (let trial = 0; trial < 7; trial++) {
    const stalled = stallUntilRest(team, now);
    // Workers that were just woken have 50 ms to find a core.
    expect(stalled - now).toBe(53);
    now = stalled;
    while (team.next(now) === 1) now++;
    pauses.push(now - stalled);
  }
  expect(pauses).toEqual([200, 400, 800, 1600, 3200, 3200, 3200]);
});

it("begins with the shortest pause again once plays have gone well for long enough", () => {
  const team = new Team(2);
  let now = stallUntilRest(team, 0) + 200;
  for (const end = now + 1000; now < end; now++) team.report(0, now, now + 1);
  const stalled = stallUntilRest(team, now);
  expect(team.next(stalled + 199)).toBe(1);
  expect(team.next(stalled + 200)).toBe(2);
});

it("rests for several times as long as a play that stalled", () => {
  const team = new Team(2);
  team.report(0, 0, 100);
  team.report(50, 100, 500);
  expect(team.next(2499)).toBe(1);
  expect(team.next(2500)).toBe(2);
});

it("does not mind a stall in every ten milliseconds of a long play", () => {
  const team = new Team(2);
  for (let now = 0; now < 10_000; now += 200) {
    team.report(20, now, now + 200);
    expect(team.next(now)).toBe(2);
  }
});
