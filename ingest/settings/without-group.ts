import type { InputSettings } from './stream-settings.ts'

/** The same input for a reader that joins no consumer group and so reports no offsets. */
export function withoutGroup(input: InputSettings): InputSettings {
  if (input.kind === 'embedded') return input
  const { consumerGroup: _, ...rest } = input
  return rest
}
