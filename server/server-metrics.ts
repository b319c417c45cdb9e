/** Counters of the server, in a registry of its own. */
import type { TableFreshness } from '../catalog/scan/index.ts'
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'

export interface ServerMetrics {
  readonly contentType: string
  text(): Promise<string>
  request(method: string, route: string, status: number, seconds: number): void
  query(result: 'answered' | 'failed' | 'cancelled', seconds: number): void
  commit(result: 'committed' | 'conflict' | 'unknown' | 'refused', seconds: number): void
}

/** `freshness` is called at each scrape. */
export function createServerMetrics(freshness?: () => readonly TableFreshness[]): ServerMetrics {
  const registers = [new Registry()]
  const [registry = new Registry()] = registers
  collectDefaultMetrics({ register: registry })
  const byResult = { labelNames: ['result'] as const, registers }
  const requests = new Counter({
    name: 'tidewater_http_requests_total',
    help: 'HTTP requests by route and status',
    labelNames: ['method', 'route', 'status'] as const,
    registers,
  })
  const requestSeconds = new Histogram({
    name: 'tidewater_http_request_duration_seconds',
    help: 'Time to answer an HTTP request',
    labelNames: ['method', 'route'] as const,
    registers,
  })
  const commits = new Counter({
    name: 'tidewater_commits_total',
    help: 'Table commits through the REST catalog by result',
    ...byResult,
  })
  const commitSeconds = new Histogram({
    name: 'tidewater_commit_duration_seconds',
    help: 'Time to apply a table commit',
    registers,
  })
  const querySeconds = new Histogram({
    name: 'tidewater_query_duration_seconds',
    help: 'Time from a query over HTTP to its last row, by result',
    ...byResult,
  })
  if (freshness !== undefined) showFreshness(freshness, registers)
  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    request: (method, route, status, seconds) => {
      requests.inc({ method, route, status: String(status) })
      requestSeconds.observe({ method, route }, seconds)
    },
    query: (result, seconds) => {
      querySeconds.observe({ result }, seconds)
    },
    commit: (result, seconds) => {
      commits.inc({ result })
      commitSeconds.observe(seconds)
    },
  }
}

function showFreshness(freshness: () => readonly TableFreshness[], registers: Registry[]): void {
  const gauge = new Gauge({
    name: 'tidewater_freshness_seconds',
    help: "Age of the table's newest row by its record's timestamp: with live rows, and as committed",
    labelNames: ['table', 'layer'] as const,
    registers,
    collect: () => {
      gauge.reset()
      for (const { table, newestRowAgeMs, newestCommittedAgeMs } of freshness()) {
        gauge.set({ table, layer: 'live' }, newestRowAgeMs / 1000)
        if (newestCommittedAgeMs === undefined) continue
        gauge.set({ table, layer: 'batch' }, newestCommittedAgeMs / 1000)
      }
    },
  })
}
