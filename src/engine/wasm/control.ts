/**
 * Addresses of the control block, through which the host and the threads agree; `kernels/control.ts` has the same
 * numbers and says what each word is for.
 */
export const EPOCH = 1024;
export const STALLS = 1224;
export const STOP = 1280;
export const FAILED = 1284;
export const PROGRAM = 1344;
export const ROWS = 1348;
export const POSITION = 1352;
export const TAIL = 1356;
export const LENGTH = 1360;
export const SHARE = 1364;
