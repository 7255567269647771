/**
 * Node's flags that Kindred is started with, by its command, by npm and in the image: a test holds those to these. Young
 * objects have 16 MB from the start and keep them. V8 takes them back to 1 MB when nothing was asked for a while, and a
 * lookup process then stops fourteen times a second for half a millisecond each, for which up to two in five of its
 * slowest hundredth wait. With that room a few thousand lookups a second look to V8 as if hardly anything went on, a moment to give memory back: it
 * marks for fifty milliseconds and stops for ten, now and then. That is left to the limits of the heap.
 */
export const nodeFlags: readonly string[] = ['--min-semi-space-size=16', '--no-memory-reducer']
