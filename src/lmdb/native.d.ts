declare module 'fs-native-extensions' {
  /** Takes an exclusive advisory lock of the whole file without waiting; the kernel releases it with the process. */
  export function tryLock(fd: number): boolean
  /** Takes it, waiting for whoever has it; the same open file may take it again. */
  export function waitForLockSync(fd: number): void
  export function unlock(fd: number): void
}
