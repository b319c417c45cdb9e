/**
 * The process that users' SQL runs in. It holds no key, no setting and no connection but the channel
 * to its parent; it seals itself before it reports that it is ready, and ends with its parent.
 */
import { LakeError, errorMessage } from '../../common/index.ts'
import { childService } from './child-service.ts'
import type { CallMessage, ChildCalls, ChildMessage, ChildSettings } from './messages.ts'
import { networkRefusal, sealBuiltins } from './seal-builtins.ts'

const send = process.send?.bind(process)
if (send === undefined) throw new Error('this program is started by tide, not by hand')

const reply = (message: ChildMessage): void => {
  send(message, undefined, undefined, (error) => {
    if (error !== null) process.exit(1)
  })
}

async function answer(service: ChildCalls, message: CallMessage): Promise<void> {
  const { id, call, values } = message
  try {
    const method = service[call] as (...given: readonly unknown[]) => Promise<unknown>
    const value = await method(...values)
    reply({ kind: 'reply', id, ...(value === undefined ? {} : { value }) })
  } catch (error) {
    const name = error instanceof LakeError ? error.name : 'Error'
    reply({ kind: 'reply', id, error: { name, message: errorMessage(error) } })
  }
}

process.once('disconnect', () => process.exit(0))
// Ctrl-C reaches the whole group; when to end is the parent's decision.
process.on('SIGINT', () => undefined)
process.once('message', (settings: ChildSettings) => {
  void networkRefusal().then((refusal) => {
    sealBuiltins()
    const service = childService(settings)
    process.on('message', (message: CallMessage) => void answer(service, message))
    reply({ kind: 'ready', networkRefusal: refusal })
  })
})
