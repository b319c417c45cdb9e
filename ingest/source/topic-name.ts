/** Kafka's rule for topic names, which also keeps them from leaving a directory. */
import { ValidationError } from '../../common/index.ts'

export function isTopicName(name: string): boolean {
  return /^[a-zA-Z0-9._-]{1,249}$/.test(name) && name !== '.' && name !== '..'
}

export function checkTopicName(topic: string): void {
  if (isTopicName(topic)) return
  throw new ValidationError(
    'topic names are 1 to 249 of the characters a-z A-Z 0-9 . _ - and not . or ..',
    { facts: { topic } },
  )
}
