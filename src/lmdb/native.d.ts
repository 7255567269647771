declare module 'fs-native-extensions' {
  /** Takes an exclusive advisory lock of the whole file without waiting, or keeps it; the kernel releases it with the process. */
  export function tryLock(fd: number): boolean
  export function unlock(fd: number): void
}
