/** A verb that works on one topic. */
import type { Command } from 'commander'

export function topicVerb(topic: Command, name: string): Command {
  return topic.command(name).argument('<topic>')
}
