/** A flag whose values help and completion list. */
import { Option } from 'commander'

/** The code that reads the value refuses what is no choice, with a suggestion, so commander does not. */
export function choiceOption(
  flags: string,
  description: string,
  choices: readonly string[],
): Option {
  const option = new Option(flags, description)
  option.argChoices = [...choices]
  return option
}
