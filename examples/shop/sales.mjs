// Orders, or changes of customers, as JSON lines on stdout: `node sales.mjs orders --rate 20 --count 1000`.
// Without --count it goes on until it is stopped. Every 500th order is damaged, for the dead letters.
const [kind = 'orders', ...flags] = process.argv.slice(2)
const flag = (name, fallback) => {
  const at = flags.indexOf(`--${name}`)
  return at === -1 ? fallback : Number(flags[at + 1])
}
const rate = flag('rate', 20)
const count = flag('count', Number.POSITIVE_INFINITY)
const customers = 200
const cities = ['Hamburg', 'Lisbon', 'Nairobi', 'Quito', 'Sapporo', 'Tromsø']
const items = ['anchor', 'chart', 'compass', 'lantern', 'rope', 'sextant']
// The same sequence in every run, from Knuth's multiplier.
let state = 42
const below = (limit) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return Math.floor((state / 2 ** 32) * limit)
}
const order = (id) => ({
  order_id: id % 500 === 499 ? `order ${id}` : id,
  ordered_at: new Date().toISOString(),
  customer_id: below(customers),
  item: items[below(items.length)],
  amount: (100 + below(90_000)) / 100,
})
// Everybody once, long ago, and then somebody moves now and then.
const customer = (id) => ({
  customer_id: id < customers ? id : below(customers),
  city: cities[below(cities.length)],
  updated_at: id < customers ? '2026-01-01T00:00:00.000Z' : new Date().toISOString(),
})
const record = kind === 'customers' ? customer : order
const startedMs = performance.now()
for (let id = 0; id < count; id++) {
  process.stdout.write(`${JSON.stringify(record(id))}\n`)
  // The first customers all at once: orders of nobody would be left out of the join.
  const paced = kind === 'customers' ? id - customers : id
  const aheadMs = (paced / rate) * 1_000 - (performance.now() - startedMs)
  if (aheadMs > 0) await new Promise((resolve) => setTimeout(resolve, aheadMs))
}
