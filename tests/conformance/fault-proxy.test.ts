/** The proxy that other tests trust to break requests: each fault does what it says, and is counted. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts'

describe('startFaultProxy()', () => {
  let store: Server
  let proxy: FaultProxy
  /** What the store behind the proxy has seen, with its If-Match header. */
  let applied: string[]

  beforeEach(async () => {
    applied = []
    store = createServer((request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => {
        body += chunk.toString()
      })
      request.on('end', () => {
        const condition = request.headers['if-match'] ?? 'none'
        applied.push(`${request.method} ${request.url} ${body} ${condition}`)
        response.setHeader('etag', '"1"')
        response.end(request.method === 'HEAD' ? undefined : 'stored')
      })
    })
    await new Promise<void>((resolve) => store.listen(0, '127.0.0.1', resolve))
    const { port } = store.address() as AddressInfo
    proxy = await startFaultProxy(`http://127.0.0.1:${port}`)
  })

  afterEach(async () => {
    await proxy.stop()
    store.closeAllConnections()
    await new Promise((resolve) => store.close(resolve))
  })

  const put = (path: string, body = 'x'): Promise<Response> =>
    fetch(`${proxy.endpoint}${path}`, { method: 'PUT', body, headers: { 'if-match': '"0"' } })

  it('passes requests, answers and headers through', async () => {
    const answer = await put('/lake/a?x=1', 'body')
    expect(answer.status).toBe(200)
    expect(answer.headers.get('etag')).toBe('"1"')
    expect(await answer.text()).toBe('stored')
    expect((await fetch(`${proxy.endpoint}/lake/a`, { method: 'HEAD' })).status).toBe(200)
    expect(applied).toEqual(['PUT /lake/a?x=1 body "0"', 'HEAD /lake/a  none'])
  })

  it('drop-response loses the answer of an applied request, as often as asked', async () => {
    const rule = proxy.add({
      method: 'PUT',
      path: /\/pointer$/,
      fault: { kind: 'drop-response' },
      after: 1,
      times: 1,
    })
    expect((await put('/pointer')).status).toBe(200)
    expect((await put('/other')).status).toBe(200)
    await expect(put('/pointer')).rejects.toThrow('fetch failed')
    expect((await put('/pointer')).status).toBe(200)
    expect(rule.hits).toBe(1)
    expect(applied).toHaveLength(4)
    expect(proxy.requests[2]).toMatchObject({ upstreamStatus: 200, outcome: 'reset' })
  })

  it('drop-request and refuse keep the request from the store', async () => {
    proxy.add({ path: /lost/, fault: { kind: 'drop-request' } })
    proxy.add({ path: /busy/, fault: { kind: 'refuse', status: 503 } })
    await expect(put('/lost')).rejects.toThrow('fetch failed')
    expect((await put('/busy')).status).toBe(503)
    expect(applied).toEqual([])
  })

  it('replace-response hides the answer of an applied request behind a 502', async () => {
    proxy.add({ fault: { kind: 'replace-response', status: 502 } })
    expect((await put('/a')).status).toBe(502)
    expect(applied).toHaveLength(1)
    expect(proxy.requests[0]).toMatchObject({ upstreamStatus: 200, outcome: 502 })
  })

  it('hold-request lets later requests overtake until it is released', async () => {
    const rule = proxy.add({ path: /slow/, fault: { kind: 'hold-request' }, times: 1 })
    const held = put('/slow')
    await rule.reached(1)
    await put('/fast')
    expect(applied).toEqual(['PUT /fast x "0"'])
    rule.release()
    expect((await held).status).toBe(200)
    expect(applied).toEqual(['PUT /fast x "0"', 'PUT /slow x "0"'])
  })

  it('delay-request and delay-response take the time they were given', async () => {
    proxy.add({ path: /late/, fault: { kind: 'delay-request', ms: 60 } })
    proxy.add({ path: /lag/, fault: { kind: 'delay-response', ms: 60 } })
    for (const path of ['/late', '/lag']) {
      const startedMs = performance.now()
      expect((await put(path)).status).toBe(200)
      expect(performance.now() - startedMs).toBeGreaterThan(50)
    }
  })

  it('strip-conditions makes a store that ignores If-Match', async () => {
    proxy.add({ method: 'PUT', fault: { kind: 'strip-conditions' } })
    await put('/a')
    expect(applied).toEqual(['PUT /a x none'])
  })

  it('clear() and remove() end the faults', async () => {
    const rule = proxy.add({ fault: { kind: 'refuse', status: 503 } })
    rule.remove()
    expect((await put('/a')).status).toBe(200)
    proxy.add({ fault: { kind: 'refuse', status: 503 } })
    proxy.clear()
    expect((await put('/a')).status).toBe(200)
  })
})
