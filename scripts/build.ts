/**
 * `npm run build`, and so `npm pack`: the compiled package in dist/, made anew, with the demo's input.
 * vega-datasets is only a development dependency, because most who install Tidewater want no demo of
 * 13 MB; a twelfth of its flights is small enough to come along.
 */
import { spawnSync } from 'node:child_process'
import { rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { systemClock } from '../common/index.ts'
import { airportRows, findAirports, packagedAirportsName } from '../demo/airports.ts'
import { findFlights, packagedFlights, packagedFlightsName } from '../demo/flights.ts'
import { openDatabase, quoteLiteral } from '../sql/index.ts'
import { repositoryRoot } from '../tests/support/services/index.ts'

const dist = join(repositoryRoot, 'dist')

async function writeDemoInput(): Promise<void> {
  const { file } = findFlights(repositoryRoot)
  const inputs = [
    [packagedFlightsName, packagedFlights(file)],
    [packagedAirportsName, airportRows(findAirports(file))],
  ] as const
  const options = 'FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 19'
  const database = await openDatabase()
  try {
    for (const [name, rows] of inputs) {
      const target = join(dist, 'demo', name)
      await database.withConnection((connection) =>
        connection.run(`COPY (${rows}) TO ${quoteLiteral(target)} (${options})`),
      )
    }
  } finally {
    database.close()
  }
}

const startedAt = systemClock.now() / 1000
await rm(dist, { recursive: true, force: true })
const tsc = join(repositoryRoot, 'node_modules', 'typescript', 'bin', 'tsc')
const compiled = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], {
  cwd: repositoryRoot,
  stdio: 'inherit',
})
if (compiled.status !== 0) process.exit(compiled.status ?? 1)
await writeDemoInput()
// bin/tide.mjs compares its time with the sources': what is edited during a build is newer than it.
const stamp = join(dist, '.built')
await writeFile(stamp, '')
await utimes(stamp, startedAt, startedAt)
