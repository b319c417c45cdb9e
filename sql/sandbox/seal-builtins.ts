/**
 * Takes network and processes away from the JavaScript of this process, for good.
 *
 * No JavaScript of a user ever runs in the child, so this is a last defence: only code of ours or
 * of a package that was made to misbehave would reach it. The kernel's wall
 * (`confinement.ts`) holds whatever the language does.
 */
import childProcess from 'node:child_process'
import cluster from 'node:cluster'
import dgram from 'node:dgram'
import dns from 'node:dns'
import http from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import { syncBuiltinESMExports } from 'node:module'
import net from 'node:net'
import tls from 'node:tls'
import workers from 'node:worker_threads'

type Members = Record<string, unknown>

const sealed: readonly (readonly [object, readonly string[]])[] = [
  [net, ['connect', 'createConnection', 'createServer']],
  [net.Socket.prototype, ['connect']],
  [net.Server.prototype, ['listen']],
  [dgram, ['createSocket']],
  [dgram.Socket.prototype, ['bind', 'connect', 'send']],
  [dns, ['lookup', 'resolve', 'resolve4', 'resolve6', 'reverse']],
  [dns.promises, ['lookup', 'resolve', 'resolve4', 'resolve6', 'reverse']],
  [http, ['request', 'get', 'createServer']],
  [https, ['request', 'get', 'createServer']],
  [http2, ['connect', 'createServer', 'createSecureServer']],
  [tls, ['connect', 'createServer']],
  [
    childProcess,
    ['spawn', 'spawnSync', 'exec', 'execSync', 'execFile', 'execFileSync', 'fork', '_forkChild'],
  ],
  [cluster, ['fork']],
  [workers, ['Worker']],
  [globalThis, ['fetch', 'WebSocket', 'EventSource']],
  [process, ['binding', 'dlopen', '_linkedBinding', 'kill', '_kill']],
]

export function sealBuiltins(): void {
  for (const [holder, names] of sealed) {
    for (const name of names) {
      if ((holder as Members)[name] === undefined) continue
      Object.defineProperty(holder, name, {
        // No arrow: some of them are constructors.
        value: function refused(): never {
          throw new Error(`${name} is not available where queries run`)
        },
        writable: false,
        configurable: false,
      })
    }
  }
  syncBuiltinESMExports()
}

/**
 * Why this process cannot reach even its own machine; undefined when it can. Connecting a datagram
 * socket sends nothing: the kernel only looks for a route.
 */
export async function networkRefusal(): Promise<string | undefined> {
  const socket = dgram.createSocket('udp4')
  try {
    return await new Promise<string | undefined>((resolve) => {
      socket.once('error', (error) => resolve((error as NodeJS.ErrnoException).code ?? 'error'))
      socket.connect(9, '127.0.0.1', (error?: Error) =>
        resolve(error === undefined ? undefined : (error as NodeJS.ErrnoException).code),
      )
    })
  } finally {
    socket.close()
  }
}
