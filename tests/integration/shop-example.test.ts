/**
 * examples/shop as docker-compose.yml runs it, on real Kafka and MinIO: `tide dev` with the environment of
 * the file, and those who buy and move house. What it answers over HTTP is compared with the topics
 * as librdkafka reads them.
 */
import { readdir } from 'node:fs/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { patience } from '../support/eventually.ts'
import { topicRecords } from '../support/kafka-judge.ts'
import { type RealLake, startRealLake } from '../support/real-lake.ts'
import { requirePart } from '../support/services/index.ts'
import { type Shop, shopFolder, startShop } from '../support/shop-example.ts'
import { tableSummary } from '../support/table-judge.ts'

const hasParts = [requirePart('kafka'), requirePart('minio'), requirePart('python')].every(Boolean)
/** At once, beside those that trickle; the 500th, the 1,000th and the 1,500th are damaged. */
const bulk = 1_500

interface Order {
  readonly order_id: number | string
  readonly amount: number
}

interface Customer {
  readonly customer_id: number
  readonly city: string
  readonly updated_at: string
}

describe.skipIf(!hasParts)('examples/shop, as compose runs it', () => {
  let lake: RealLake
  let shop: Shop
  let filesBefore: readonly string[]

  beforeAll(async () => {
    lake = await startRealLake()
    filesBefore = await filesOf(shopFolder)
    const { kafka, minio, build } = lake
    const places = { bootstrap: kafka.bootstrap, endpoint: minio.endpoint, port: 0 }
    shop = await startShop({ ...places, entry: build.entry })
  })
  afterAll(async () => {
    await shop?.close()
    await lake?.stop()
  })

  afterEach(({ task }) => {
    if (task.result?.state === 'fail') process.stderr.write(`${shop.log()}\n${shop.sellersLog()}\n`)
  })

  const post = (sql: string, token = shop.token): Promise<Response> =>
    fetch(`${shop.uri}/query`, {
      method: 'POST',
      body: sql,
      headers: { authorization: `Bearer ${token}` },
    })

  const ask = async (sql: string): Promise<readonly Record<string, unknown>[]> => {
    const { data = [] } = (await (await post(sql)).json()) as {
      readonly data?: readonly Record<string, unknown>[]
    }
    return data
  }

  const topic = async <Row>(name: string): Promise<readonly Row[]> =>
    (await topicRecords(lake.kafka.bootstrap, name)).map(
      ({ value }) => JSON.parse(value?.toString('utf8') ?? '') as Row,
    )

  it('answers only who has the token', async () => {
    expect((await post('SELECT 1', 'somebody')).status).toBe(401)
    expect(await ask('SELECT 1 AS one')).toEqual([{ one: 1 }])
  })

  it('shows orders while they come', async () => {
    const counted = 'SELECT count(*) AS n FROM shop.orders'
    const count = async (): Promise<number> => Number((await ask(counted))[0]?.['n'] ?? 0)
    await expect.poll(count, patience).toBeGreaterThan(0)
    const seen = await count()
    await expect.poll(count, patience).toBeGreaterThan(seen)
    await shop.run(
      `node sales.mjs orders --rate 1000000 --count ${bulk} | tide topic produce orders`,
    )
    await expect.poll(count, patience).toBeGreaterThan(seen + bulk - 4)
  })

  it('has in every model what was sold, and whoever moved', async () => {
    await shop.stopSelling()
    const orders = await topic<Order>('orders')
    const good = orders.filter(({ order_id: id }) => typeof id === 'number')
    expect(orders.length - good.length).toBeGreaterThanOrEqual(bulk / 500)
    const cents = good.reduce((sum, { amount }) => sum + Math.round(amount * 100), 0)
    const sold = [{ n: good.length, amount: (cents / 100).toFixed(2) }]
    const sums = (table: string): string =>
      `SELECT sum(orders)::BIGINT AS n, sum(amount)::VARCHAR AS amount FROM shop.${table}`

    // The view answers for what no run of the model has seen.
    await expect.poll(() => ask(sums('orders_by_hour')), patience).toEqual(sold)
    const letters = 'SELECT count(*) AS n FROM shop.orders__dlq'
    await expect.poll(() => ask(letters), patience).toEqual([{ n: orders.length - good.length }])
    await expect.poll(() => ask(sums('revenue_by_city')), patience).toEqual(sold)

    const moves = await topic<Customer>('customers')
    const newest = new Map<number, Customer>()
    for (const move of moves) {
      const known = newest.get(move.customer_id)
      if (known === undefined || known.updated_at < move.updated_at) {
        newest.set(move.customer_id, move)
      }
    }
    const history = `SELECT count(*) AS versions, count(DISTINCT customer_id) AS customers,
      count(*) FILTER (valid_to IS NULL) AS living FROM shop.customers_history`
    const customers = newest.size
    expect(customers).toBe(200)
    expect(moves.length).toBeGreaterThan(customers)
    await expect
      .poll(() => ask(history), patience)
      .toEqual([{ versions: moves.length, customers, living: customers }])
    const homes = await ask(
      'SELECT customer_id, city FROM shop.customers_history WHERE valid_to IS NULL',
    )
    expect(new Map(homes.map((row) => [row['customer_id'], row['city']]))).toEqual(
      new Map([...newest].map(([id, { city }]) => [id, city])),
    )
  })

  it('ends well, with everything committed and the folder as it was', async () => {
    expect(await shop.stop(), shop.log()).toBe(0)
    expect(shop.log()).toContain('committing what was read')
    // Topics are made by those who sell, who wait until the server answers, and tables by the first
    // records: until then streams and models say what is missing, and try again.
    const early = /kafka has no such topic|there is no table shop\.(orders|customers);/
    const errors = shop
      .log()
      .split('\n')
      .filter((line) => line.includes('"level":"error"'))
    const others = errors.filter((line) => !early.test(line))
    expect(others.join('\n')).toBe('')
    const orders = await topic<Order>('orders')
    const good = orders.filter(({ order_id: id }) => typeof id === 'number').length
    for (const [name, count] of [
      ['shop.orders', good],
      ['shop.orders__dlq', orders.length - good],
    ] as const) {
      const { metadataLocation } = await lake.table(name)
      const summary = await tableSummary('pyiceberg', { metadataLocation }, { s3: lake.s3 })
      expect([name, summary.count]).toEqual([name, count])
    }
    // Compose mounts it read-only.
    expect(await filesOf(shopFolder)).toEqual(filesBefore)
  })
})

async function filesOf(folder: string): Promise<readonly string[]> {
  return (await readdir(folder, { recursive: true })).toSorted()
}
