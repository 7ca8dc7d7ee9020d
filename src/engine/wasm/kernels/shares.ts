/**
 * Where the groups of 16 rows of a quantized matrix stand: each thread's share of them apart, in a stream of its own
 * (../streams.ts). What instructions hold is the address of a table: the number of shares, then for each the group behind
 * its last, and where group 0 would stand if all groups before the share's stood before it.
 */

/** As many as the player has threads: each plays its own, or one plays all. */
// @ts-ignore: decorator
@inline
export function shareCount(table: usize): i32 {
  return load<i32>(table);
}

// @ts-ignore: decorator
@inline
export function shareBegin(table: usize, share: i32): i32 {
  return share == 0 ? 0 : shareEnd(table, share - 1);
}

// @ts-ignore: decorator
@inline
export function shareEnd(table: usize, share: i32): i32 {
  return load<i32>(table + (<usize>share << 3), 4);
}

// @ts-ignore: decorator
@inline
export function shareBase(table: usize, share: i32): usize {
  return <usize>load<i32>(table + (<usize>share << 3), 8);
}

/** Where one group stands, in whichever share. */
export function groupAddress(table: usize, group: i32, groupBytes: usize): usize {
  let share = 0;
  while (group >= shareEnd(table, share)) share++;
  return shareBase(table, share) + <usize>group * groupBytes;
}
