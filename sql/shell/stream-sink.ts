/** A writable stream as a sink that waits for the receiver. */
import type { Writable } from 'node:stream'
import type { TextSink } from './result-writer.ts'

/** Once the receiver is gone (`| head`), what is written is dropped. */
export function streamSink(stream: Writable): TextSink {
  let closed: Error | undefined
  stream.on('error', (error: NodeJS.ErrnoException) => {
    closed = error
  })
  return (text) =>
    new Promise((resolve, reject) => {
      if (text === '' || (closed as NodeJS.ErrnoException | undefined)?.code === 'EPIPE') {
        resolve()
        return
      }
      stream.write(text, (error) => {
        if (error === null || error === undefined) resolve()
        else if ((error as NodeJS.ErrnoException).code === 'EPIPE') resolve()
        else reject(error)
      })
    })
}
