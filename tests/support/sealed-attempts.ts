/** Seals itself as the query child does, then tries what must be gone; prints what came of it. */
import { spawn } from 'node:child_process'
import dgram, { createSocket } from 'node:dgram'
import http from 'node:http'
import net, { connect } from 'node:net'
import { Worker } from 'node:worker_threads'
import { sealBuiltins } from '../../sql/sandbox/seal-builtins.ts'

const attempts: Readonly<Record<string, () => unknown>> = {
  'net.connect': () => net.connect(9, '127.0.0.1'),
  'net.connect by name': () => connect(9, '127.0.0.1'),
  'Socket.connect': () => new net.Socket().connect(9, '127.0.0.1'),
  'Server.listen': () => new net.Server().listen(0),
  'http.get': () => http.get('http://127.0.0.1:9'),
  fetch: () => fetch('http://127.0.0.1:9'),
  'dgram.createSocket': () => dgram.createSocket('udp4'),
  'dgram.createSocket by name': () => createSocket('udp4'),
  spawn: () => spawn('true'),
  Worker: () => new Worker('1', { eval: true }),
  'process.binding': () => (process as unknown as { binding(name: string): unknown }).binding('fs'),
  'process.kill': () => process.kill(process.pid, 0),
}
sealBuiltins()
const open = Object.entries(attempts).flatMap(([name, attempt]) => {
  try {
    attempt()
    return [name]
  } catch (error) {
    return String(error).includes('not available where queries run') ? [] : [`${name}: ${error}`]
  }
})
process.stdout.write(JSON.stringify({ tried: Object.keys(attempts).length, open }))
process.exit(0)
