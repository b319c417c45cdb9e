// Run inside the confinement of the query child by tests/e2e/sandbox.test.ts: tries what a process
// without network and without rights must not be able to do, and prints what came of each attempt.
import { spawnSync } from 'node:child_process'
import dgram from 'node:dgram'
import { readFileSync } from 'node:fs'
import net from 'node:net'
import os from 'node:os'

const [port, parentPid] = process.argv.slice(2).map(Number)

function connect(options) {
  return new Promise((resolve) => {
    const socket = net.connect(options)
    socket.setTimeout(3000, () => resolve('timeout'))
    socket.once('error', (error) => resolve(error.code))
    socket.once('connect', () => {
      socket.destroy()
      resolve('connected')
    })
  })
}

function send(host) {
  return new Promise((resolve) => {
    const socket = dgram.createSocket('udp4')
    socket.once('error', (error) => resolve(error.code))
    socket.send('x', port, host, (error) => resolve(error ? error.code : 'sent'))
  }).finally(() => undefined)
}

function attempt(act) {
  try {
    return act()
  } catch (error) {
    return error.code ?? String(error)
  }
}

const status = readFileSync('/proc/self/status', 'utf8')
const result = {
  loopback: await connect({ host: '127.0.0.1', port }),
  loopback6: await connect({ host: '::1', port }),
  outside: await connect({ host: '192.0.2.1', port: 80 }),
  datagram: await send('127.0.0.1'),
  interfaces: Object.keys(os.networkInterfaces()),
  parentEnvironment: attempt(() =>
    readFileSync(`/proc/${parentPid}/environ`, 'utf8').includes('TIDE_TEST_MARKER')
      ? 'read'
      : 'other',
  ),
  capabilities: /CapEff:\s*(\w+)/.exec(status)?.[1],
  noNewPrivileges: /NoNewPrivs:\s*(\d)/.exec(status)?.[1],
  // To bring loopback up, or to enter the parent's network, it would need rights that it has not.
  linkUp: spawnSync('ip', ['link', 'set', 'lo', 'up']).status === 0,
  enterParent: spawnSync('nsenter', [`--net=/proc/${parentPid}/ns/net`, 'true']).status === 0,
}
process.stdout.write(JSON.stringify(result))
process.exit(0)
