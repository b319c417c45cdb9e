import { describe, expect, test } from 'vitest'
import {
  AccessDeniedError,
  CommitStateUnknownError,
  CorruptDataError,
  UnavailableError,
  seededRandom,
} from '../../common/index.ts'
import { MemoryFileIO } from '../../io/index.ts'
import { InstantClock } from '../../tests/support/instant-clock.ts'
import { InterceptedFileIO, type WriteCall } from '../../tests/support/intercepted-file-io.ts'
import { type PayloadCodec, SwapObject, type SwapState, traceLengthMax } from './swap-object.ts'

const location = 'memory://lake/pointer.json'
const policy = { retriesMax: 3, waitMsMin: 10, waitMsMax: 100, totalMsMax: 1000 }
const codec: PayloadCodec<string> = {
  toJson: (text) => ({ text }),
  fromJson: (json) => String(json['text']),
}

function makeStore() {
  const store = new MemoryFileIO()
  let seed = 1
  const writer = () => {
    const io = new InterceptedFileIO(store)
    const clock = new InstantClock()
    const object = new SwapObject({ io, clock, random: seededRandom(seed++) }, codec)
    return { io, clock, object }
  }
  return { store, writer }
}

type Writer = ReturnType<ReturnType<typeof makeStore>['writer']>

async function put(writer: Writer, payload: string): Promise<SwapState<string>> {
  const base = await writer.object.read(location)
  expect(await writer.object.swap({ location, base, payload, policy })).toEqual({ kind: 'won' })
  const state = await writer.object.read(location)
  if (state === undefined) throw new Error('nothing was written')
  return state
}

const lostReply = new UnavailableError('reply lost')

/** The first conditional write goes wrong as `fault` says, later ones are left alone. */
function once(
  writer: Writer,
  fault: (call: WriteCall) => Promise<never> | ReturnType<WriteCall['send']>,
) {
  let used = false
  writer.io.onWrite = (call) => {
    if (used) return call.send()
    used = true
    return fault(call)
  }
}

describe('SwapObject', () => {
  test('swap() creates once and replaces only what it was built on', async () => {
    const { writer } = makeStore()
    const [a, b] = [writer(), writer()]
    const first = await put(a, 'one')
    expect(first).toMatchObject({ version: 1, payload: 'one' })
    const create = await b.object.swap({ location, base: undefined, payload: 'x', policy })
    expect(create.kind).toBe('lost')
    const second = await put(b, 'two')
    expect(second).toMatchObject({ version: 2, trace: [second.commitId, first.commitId] })
    const stale = await a.object.swap({ location, base: first, payload: 'x', policy })
    expect(stale).toMatchObject({ kind: 'lost', current: { payload: 'two' } })
  })

  test('[C2] no body ever returns, even when the payload does', async () => {
    const { writer, store } = makeStore()
    const bodies = new Set<string>()
    for (let round = 0; round < 20; round++) {
      await put(writer(), round % 2 === 0 ? 'a' : 'b')
      bodies.add(Buffer.from(await store.read(location)).toString())
    }
    expect(bodies.size).toBe(20)
  })

  test('[C3] swap() wins when its write was stored and the answer lost', async () => {
    const { writer } = makeStore()
    const base = await put(writer(), 'base')
    const ours = writer()
    once(ours, async (call) => {
      await call.send()
      throw lostReply
    })
    expect(await ours.object.swap({ location, base, payload: 'ours', policy })).toEqual({
      kind: 'won',
    })
    expect(await ours.object.read(location)).toMatchObject({ version: 2, payload: 'ours' })
  })

  test('[C4] swap() sends again when its write was not stored and the answer lost', async () => {
    const { writer } = makeStore()
    const base = await put(writer(), 'base')
    const ours = writer()
    once(ours, async () => {
      throw lostReply
    })
    expect(await ours.object.swap({ location, base, payload: 'ours', policy })).toEqual({
      kind: 'won',
    })
    expect(await ours.object.read(location)).toMatchObject({ version: 2, payload: 'ours' })
  })

  test('[C4] swap() settles a write that lands only after the read-back', async () => {
    const { writer } = makeStore()
    const base = await put(writer(), 'base')
    const ours = writer()
    let delayed: WriteCall | undefined
    once(ours, async (call) => {
      delayed = call
      throw lostReply
    })
    // The delayed request lands between the look that does not find it and the second swap.
    let reads = 0
    ours.io.onRead = async (call) => {
      const found = await call.send()
      if (++reads === 1) expect(await delayed?.send()).toMatchObject({ ok: true })
      return found
    }
    expect(await ours.object.swap({ location, base, payload: 'ours', policy })).toEqual({
      kind: 'won',
    })
    const state = await ours.object.read(location)
    expect(state).toMatchObject({ version: 2, payload: 'ours' })
    expect(state?.trace).toEqual([state?.commitId, base.commitId])
  })

  test('[C4] a delayed write can no longer land once the swap was settled', async () => {
    const { writer } = makeStore()
    const base = await put(writer(), 'base')
    const ours = writer()
    let delayed: WriteCall | undefined
    once(ours, async (call) => {
      delayed = call
      throw lostReply
    })
    await ours.object.swap({ location, base, payload: 'ours', policy })
    expect(await delayed?.send()).toMatchObject({ ok: false })
  })

  test('[C5] swap() wins when a refusal answers its own request, sent twice on the way', async () => {
    const { writer } = makeStore()
    const base = await put(writer(), 'base')
    const ours = writer()
    once(ours, async (call) => {
      await call.send()
      return call.send()
    })
    expect(await ours.object.swap({ location, base, payload: 'ours', policy })).toEqual({
      kind: 'won',
    })
  })

  test('[C5] a create whose own request was sent twice is won too', async () => {
    const { writer } = makeStore()
    const ours = writer()
    once(ours, async (call) => {
      await call.send()
      return call.send()
    })
    expect(await ours.object.swap({ location, base: undefined, payload: 'ours', policy })).toEqual({
      kind: 'won',
    })
  })

  test('[C6] swap() wins when others built on it before it could look', async () => {
    const { writer } = makeStore()
    const base = await put(writer(), 'base')
    const ours = writer()
    once(ours, async (call) => {
      await call.send()
      for (let round = 0; round < 10; round++) await put(writer(), `theirs ${round}`)
      throw lostReply
    })
    expect(await ours.object.swap({ location, base, payload: 'ours', policy })).toEqual({
      kind: 'won',
    })
    expect(await ours.object.read(location)).toMatchObject({ version: 12, payload: 'theirs 9' })
  })

  test('[C6] swap() is lost for certain when another swap was built on its base', async () => {
    const { writer } = makeStore()
    const base = await put(writer(), 'base')
    const ours = writer()
    let delayed: WriteCall | undefined
    once(ours, async (call) => {
      delayed = call
      for (let round = 0; round < 5; round++) await put(writer(), `theirs ${round}`)
      throw lostReply
    })
    const outcome = await ours.object.swap({ location, base, payload: 'ours', policy })
    expect(outcome).toMatchObject({ kind: 'lost', current: { version: 6, payload: 'theirs 4' } })
    expect(await delayed?.send()).toMatchObject({ ok: false })
  })

  test('[C7] swap() calls the outcome unknown when its place in the trace is gone', async () => {
    const { writer } = makeStore()
    const base = await put(writer(), 'base')
    const ours = writer()
    once(ours, async (call) => {
      await call.send()
      const others = writer()
      for (let round = 0; round < traceLengthMax; round++) await put(others, `theirs ${round}`)
      throw lostReply
    })
    await expect(ours.object.swap({ location, base, payload: 'ours', policy })).rejects.toThrow(
      CommitStateUnknownError,
    )
  })

  test('[C7] swap() calls the outcome unknown after its status checks, within their budget', async () => {
    const { writer } = makeStore()
    const base = await put(writer(), 'base')
    const ours = writer()
    let writes = 0
    ours.io.onWrite = async () => {
      writes++
      throw lostReply
    }
    const error: unknown = await ours.object
      .swap({ location, base, payload: 'ours', policy })
      .catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(CommitStateUnknownError)
    expect(error).toMatchObject({ cause: lostReply, facts: { version: 2, object: location } })
    expect(writes).toBe(2 + policy.retriesMax)
    expect(ours.clock.sleepsMs).toHaveLength(policy.retriesMax)
    expect(ours.io.deleted).toEqual([])
  })

  test('[C7] swap() survives a store that cannot be read for a while', async () => {
    const { writer } = makeStore()
    const base = await put(writer(), 'base')
    const ours = writer()
    once(ours, async (call) => {
      await call.send()
      throw lostReply
    })
    let reads = 0
    ours.io.onRead = (call) => {
      if (++reads < 3) throw lostReply
      return call.send()
    }
    expect(await ours.object.swap({ location, base, payload: 'ours', policy })).toEqual({
      kind: 'won',
    })
  })

  test('[C7] a pointer that is missing or older than its base is never taken for a loss', async () => {
    for (const damage of ['missing', 'older'] as const) {
      const { writer, store } = makeStore()
      await put(writer(), 'first')
      const older = await store.read(location)
      const base = await put(writer(), 'base')
      const ours = writer()
      once(ours, async () => {
        if (damage === 'missing') await store.delete([location])
        else await store.write(location, older)
        throw lostReply
      })
      await expect(ours.object.swap({ location, base, payload: 'ours', policy })).rejects.toThrow(
        damage === 'missing' ? /missing/ : /older version/,
      )
    }
  })

  test('[C9] a definite refusal of the only request is thrown as it is', async () => {
    const { writer } = makeStore()
    const base = await put(writer(), 'base')
    const ours = writer()
    const denied = new AccessDeniedError('no right to write')
    ours.io.onWrite = async () => {
      throw denied
    }
    await expect(ours.object.swap({ location, base, payload: 'ours', policy })).rejects.toBe(denied)
  })

  test('[C9] a definite refusal after an unclear answer settles nothing', async () => {
    const { writer } = makeStore()
    const base = await put(writer(), 'base')
    const ours = writer()
    let writes = 0
    ours.io.onWrite = async () => {
      throw ++writes === 1 ? lostReply : new AccessDeniedError('no right to write')
    }
    await expect(ours.object.swap({ location, base, payload: 'ours', policy })).rejects.toThrow(
      CommitStateUnknownError,
    )
  })

  test('read() refuses damaged bodies and formats of later releases', async () => {
    const { writer, store } = makeStore()
    const bodies = ['{', '[]', '{"format":2}', '{"format":1,"version":1,"commitId":"a","trace":[]}']
    for (const body of bodies) {
      await store.write(location, Buffer.from(body))
      await expect(writer().object.read(location)).rejects.toThrow(CorruptDataError)
    }
  })
})
