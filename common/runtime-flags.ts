/**
 * How the JavaScript engine is to run a process that moves many bytes.
 *
 * Network and decompression make short-lived memory outside V8's heap, and V8 answers every 64 MB of it
 * with a marking of the whole heap. Ours is small (25 MB while draining), so one pause of some 15 ms is
 * enough; marking in steps or by helper threads beside the program costs several times that and takes the
 * cores from the engine that writes files (docs/adr/0012-columnar-spool.md has the figures).
 */
import { setFlagsFromString } from 'node:v8'

/** Call once, before anything else runs. */
export function tuneRuntime(): void {
  setFlagsFromString('--no-concurrent-marking')
  setFlagsFromString('--no-incremental-marking')
}
