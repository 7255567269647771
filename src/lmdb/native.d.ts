declare module 'fs-native-extensions' {
  /** Takes an exclusive advisory lock of the file, or of `length` bytes of it, without waiting, or keeps it; the kernel releases it with the process. */
  export function tryLock(fd: number, offset?: number, length?: number): boolean
  export function unlock(fd: number): void
}
