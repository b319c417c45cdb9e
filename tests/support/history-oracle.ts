/**
 * What a history has to be, computed the slow and plain way and without SQL: for each key the list of
 * what happened to it, told from what was observed, and its rows from that list.
 *
 * Times are microseconds since the epoch.
 */
export interface Version {
  readonly id: number | null
  readonly part: string | null
  readonly value: string | null
  readonly note: string | null
  /** Absent for the check strategy. */
  readonly at?: number
}

/** The source as a run finds it. */
export interface Observation {
  readonly at: number
  readonly rows: readonly Version[]
}

export interface HistoryRules {
  readonly strategy: 'timestamp' | 'check'
  /** Of `value` and `note`, for the check strategy. */
  readonly checked: readonly ('value' | 'note')[]
  readonly hardDeletes: 'ignore' | 'invalidate' | 'new_record'
}

export interface HistoryRow {
  readonly key: string
  readonly value: string | null
  readonly note: string | null
  readonly from: number
  readonly to: number | null
  readonly isDeleted: boolean
}

interface HistoryEvent {
  readonly at: number
  readonly kind: 'version' | 'delete'
  readonly value: string | null
  readonly note: string | null
}

export function keyOf({ id, part }: Pick<Version, 'id' | 'part'>): string {
  return `${id}/${part}`
}

/** The history after all observations, in the order in which they were made. */
export function historyOf(
  rules: HistoryRules,
  observations: readonly Observation[],
): readonly HistoryRow[] {
  const keys = new Map<string, HistoryEvent[]>()
  for (const observation of observations) {
    const present = new Map<string, Version[]>()
    for (const row of observation.rows) {
      present.set(keyOf(row), [...(present.get(keyOf(row)) ?? []), row])
    }
    for (const key of new Set([...keys.keys(), ...present.keys()])) {
      const events = keys.get(key) ?? []
      keys.set(key, events)
      observeKey(rules, events, present.get(key) ?? [], observation.at)
    }
  }
  return [...keys].flatMap(([key, events]) => rowsOf(rules, key, events)).sort(byText)
}

function observeKey(
  { strategy, checked, hardDeletes }: HistoryRules,
  events: HistoryEvent[],
  rows: readonly Version[],
  now: number,
): void {
  const [first] = rows
  if (strategy === 'timestamp') {
    for (const { at = now, value, note } of rows) addVersion(events, at, value, note)
  }
  // Nothing that is only observed can lie before what is known.
  const last = newest(events)
  const moment = last === undefined ? now : Math.max(now, last.at + 1)
  if (first === undefined) {
    if (hardDeletes === 'ignore' || last?.kind !== 'version') return
    events.push({ ...last, at: moment, kind: 'delete' })
    return
  }
  const newestRow = rows.reduce((best, row) => (isLater(row, best) ? row : best), first)
  const version = {
    at: moment,
    kind: 'version',
    value: newestRow.value,
    note: newestRow.note,
  } as const
  if (last === undefined || last.kind === 'delete') events.push(version)
  else if (strategy === 'check' && checked.some((name) => last[name] !== first[name])) {
    events.push(version)
  }
}

/** Two versions of one moment contradict each other: which one stays must not hang on their order. */
function addVersion(
  events: HistoryEvent[],
  at: number,
  value: string | null,
  note: string | null,
): void {
  const same = events.findIndex((event) => event.kind === 'version' && event.at === at)
  const version = { at, kind: 'version', value, note } as const
  const known = events[same]
  if (known === undefined) events.push(version)
  else if (textOf(version) > textOf(known)) events[same] = version
}

function newest(events: readonly HistoryEvent[]): HistoryEvent | undefined {
  return [...events].sort(inTime).at(-1)
}

function rowsOf(
  { hardDeletes }: HistoryRules,
  key: string,
  events: readonly HistoryEvent[],
): readonly HistoryRow[] {
  const ordered = [...events].sort(inTime)
  return ordered.flatMap(({ at, kind, value, note }, index): readonly HistoryRow[] => {
    const to = ordered[index + 1]?.at ?? null
    const isDeleted = kind === 'delete'
    if (to === at || (isDeleted && hardDeletes !== 'new_record')) return []
    return [{ key, value, note, from: at, to, isDeleted }]
  })
}

/** A deletion comes before a version of the same moment. */
function inTime(left: HistoryEvent, right: HistoryEvent): number {
  return left.at - right.at || (left.kind < right.kind ? -1 : left.kind > right.kind ? 1 : 0)
}

function isLater(row: Version, best: Version): boolean {
  const [left, right] = [row.at ?? 0, best.at ?? 0]
  return left > right || (left === right && textOf(row) > textOf(best))
}

function textOf({ value, note }: Pick<Version, 'value' | 'note'>): string {
  return JSON.stringify([value, note])
}

function byText(left: HistoryRow, right: HistoryRow): number {
  return lineOf(left) < lineOf(right) ? -1 : 1
}

/** A row as text, to be compared and shown. */
export function lineOf({ key, value, note, from, to, isDeleted }: HistoryRow): string {
  return [key, value, note, from, to, isDeleted].map(String).join('|')
}

/** What must hold of every history whatever was observed; each fault in words. */
export function faultsOf(rules: HistoryRules, rows: readonly HistoryRow[]): readonly string[] {
  const faults: string[] = []
  for (const key of new Set(rows.map((row) => row.key))) {
    const own = rows.filter((row) => row.key === key).sort((a, b) => a.from - b.from)
    if (own.filter(({ to }) => to === null).length > 1) faults.push(`${key}: several current rows`)
    for (const [index, row] of own.entries()) {
      const next = own[index + 1]
      if (row.to !== null && row.to <= row.from)
        faults.push(`${lineOf(row)}: ends before it begins`)
      if (row.isDeleted && rules.hardDeletes !== 'new_record')
        faults.push(`${lineOf(row)}: deleted`)
      if (next === undefined) continue
      if (row.to === null || row.to > next.from) faults.push(`${lineOf(row)}: overlaps`)
      else if (row.to < next.from && rules.hardDeletes !== 'invalidate') {
        faults.push(`${lineOf(row)}: a gap before ${next.from}`)
      }
      if (row.isDeleted && next.isDeleted) faults.push(`${lineOf(row)}: deleted twice`)
    }
    const last = own.at(-1)
    if (last !== undefined && last.to !== null && rules.hardDeletes !== 'invalidate') {
      faults.push(`${lineOf(last)}: no current row`)
    }
  }
  return faults
}
