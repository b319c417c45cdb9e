/** A verb that works on the named streams of a project, or on all of them. */
import type { Command } from 'commander'

/** `all` says what the verb reads where no files are named. */
export function streamVerb(stream: Command, name: string, all = 'streams/'): Command {
  return stream.command(name).argument('[files...]', `files or directories (default: ${all})`)
}
