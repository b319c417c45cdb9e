/** README.md as a list of what a reader would type, so that a test can type it. */

export interface ReadmeBlock {
  readonly language: string
  readonly text: string
}

/** The fenced blocks in order. */
export function readmeBlocks(markdown: string): readonly ReadmeBlock[] {
  const blocks = [...markdown.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)]
  return blocks.map(([, language = '', text = '']) => ({ language, text }))
}

/** Code spans in the prose that are commands. */
export function inlineCommands(markdown: string): readonly string[] {
  const prose = markdown.replaceAll(/^```(\w*)\n([\s\S]*?)^```$/gm, '')
  return [...prose.matchAll(/`((?:tide|npm|npx|time|curl|bash|kill|docker|pip) [^`]+)`/g)].map(
    ([, command = '']) => command,
  )
}

/** One command as typed: its line, and the lines of a here-document that belong to it. */
export function shellCommands(text: string): readonly string[] {
  const commands: string[] = []
  let waitingFor: string | undefined
  for (const line of text.trimEnd().split('\n')) {
    if (waitingFor === undefined) commands.push(line)
    else commands.push(`${commands.pop() ?? ''}\n${line}`)
    if (line === waitingFor) waitingFor = undefined
    waitingFor ??= /<<'?(\w+)'?$/.exec(line)?.[1]
  }
  if (waitingFor !== undefined) throw new Error(`a here-document does not end: ${waitingFor}`)
  return commands
}
