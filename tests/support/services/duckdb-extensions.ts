/**
 * DuckDB's httpfs, iceberg and avro extensions as files: from the registry of Python packages, because
 * DuckDB's own download site is out of reach of tests. They fit @duckdb/node-api of the same version.
 */
import { cp, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { installOnce, runCommand } from './install.ts'

const extensionVersion = '1.5.5'
const extensionNames = ['httpfs', 'iceberg', 'avro'] as const

export type DuckdbExtensions = Readonly<Record<(typeof extensionNames)[number], string>>

/** Paths for `LOAD '<path>'` on a connection opened with `allow_unsigned_extensions`. */
export async function duckdbExtensions(): Promise<DuckdbExtensions> {
  const folder = await installOnce({
    name: 'duckdb-extensions',
    version: extensionVersion,
    build: buildFolder,
  })
  const path = (name: string): string => join(folder, `${name}.duckdb_extension`)
  return { httpfs: path('httpfs'), iceberg: path('iceberg'), avro: path('avro') }
}

async function buildFolder(folder: string): Promise<void> {
  const wheels = join(folder, 'wheels')
  const unpacked = join(folder, 'unpacked')
  await mkdir(wheels)
  const packages = extensionNames.map((name) => `duckdb-extension-${name}==${extensionVersion}`)
  await runCommand('python3', [
    '-m',
    'pip',
    'download',
    '--no-input',
    '--disable-pip-version-check',
    '--quiet',
    '--no-deps',
    '--only-binary',
    ':all:',
    '-d',
    wheels,
    ...packages,
  ])
  for (const name of extensionNames) {
    const script =
      'import glob,sys,zipfile; zipfile.ZipFile(glob.glob(sys.argv[1])[0]).extractall(sys.argv[2])'
    const wheel = join(wheels, `duckdb_extension_${name}-*.whl`)
    await runCommand('python3', ['-c', script, wheel, unpacked])
    const file = join(`extensions/v${extensionVersion}`, `${name}.duckdb_extension`)
    await cp(
      join(unpacked, `duckdb_extension_${name}`, file),
      join(folder, `${name}.duckdb_extension`),
    )
  }
  await rm(wheels, { recursive: true })
  await rm(unpacked, { recursive: true })
}
