/**
 * How the JavaScript engine is to run a process that moves many bytes.
 *
 * Network and decompression make short-lived memory outside V8's heap, and V8 answers every 64 MB of it
 * with a marking of the whole heap. Done by helper threads, that marking costs two and a half times what
 * it does on the thread itself (4 M records drained on 2 cores: 13.1 to 11.3 CPU seconds, 5 % faster;
 * docs/adr/0008-columnar-spool.md), and the helpers take the cores from the engine that writes files.
 */
import { setFlagsFromString } from 'node:v8'

/** Call once, before anything else runs. */
export function tuneRuntime(): void {
  setFlagsFromString('--no-concurrent-marking')
}
