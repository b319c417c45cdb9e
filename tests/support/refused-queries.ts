/**
 * What SQL of a stranger might try, each as one case: past the catalog to a file, another bucket, the
 * environment, the settings or the network (docs/spec/sql.md S4).
 *
 * `behind` says what the second wall, the locked-down child, does with it when the first one, the
 * parse in the parent, is left out: `refused` with an error, or `harmless`, which runs and has
 * nothing to show.
 */
export interface RefusedQuery {
  readonly name: string
  readonly sql: string
  readonly behind: 'refused' | 'harmless'
}

export interface RefusedTargets {
  /** A readable text file that no table has. */
  readonly secretFile: string
  /** A symbolic link to it. */
  readonly secretLink: string
  /** A folder that may be written to. */
  readonly folder: string
  /** A Parquet file of a table that the query does not name. */
  readonly otherParquet: string
  /** A file that the query may read. */
  readonly ownParquet: string
  /** A web server that counts its visitors. */
  readonly url: string
  /** The process that started the child. */
  readonly parentPid: number
}

type Case = readonly [sql: string, behind?: RefusedQuery['behind']]

export function refusedQueries(targets: RefusedTargets): readonly RefusedQuery[] {
  return Object.entries(cases(targets)).flatMap(([name, list]) =>
    list.map(([sql, behind = 'refused']) => ({ name, sql, behind })),
  )
}

function cases(targets: RefusedTargets): Readonly<Record<string, readonly Case[]>> {
  const { folder, otherParquet, ownParquet, parentPid, secretFile, secretLink, url } = targets
  const dotted = `${ownParquet.slice(0, ownParquet.lastIndexOf('/'))}/../..${secretFile}`
  return {
    'functions that read text': [
      [`SELECT * FROM read_text('${secretFile}')`],
      [`SELECT * FROM read_blob('${secretFile}')`],
      [`SELECT * FROM read_csv('${secretFile}')`],
      [`SELECT * FROM read_csv_auto('${secretFile}')`],
      [`SELECT * FROM read_json('${secretFile}')`],
      [`SELECT * FROM read_json_objects('${secretFile}')`],
      [`SELECT * FROM sniff_csv('${secretFile}')`],
    ],
    'functions that read parquet': [
      [`SELECT * FROM read_parquet('${otherParquet}')`],
      [`SELECT * FROM parquet_scan('${otherParquet}')`],
      [`SELECT * FROM parquet_metadata('${otherParquet}')`],
      [`SELECT * FROM parquet_schema('${otherParquet}')`],
      [`SELECT * FROM parquet_kv_metadata('${otherParquet}')`],
    ],
    'functions of extensions': [
      [`SELECT * FROM sqlite_scan('${secretFile}', 't')`],
      [`SELECT * FROM iceberg_scan('${folder}')`],
      [`SELECT * FROM postgres_query('x', 'SELECT 1')`],
      [`SELECT * FROM read_xlsx('${secretFile}')`],
    ],
    'listing a folder': [[`SELECT * FROM glob('${folder}/*')`], [`SELECT * FROM glob('/etc/*')`]],
    'a file in place of a table': [
      [`SELECT * FROM '${secretFile}'`],
      [`SELECT * FROM "${secretFile}"`],
      [`FROM '${otherParquet}'`],
      [`SELECT * FROM demo.t JOIN '${otherParquet}' o ON true`],
    ],
    'a path that leads around': [
      [`SELECT * FROM read_text('${dotted}')`],
      [`SELECT * FROM read_text('${secretLink}')`],
      [`SELECT * FROM read_text('//127.0.0.1/share/x')`],
      [`SELECT * FROM read_text('~/.bashrc')`],
      [`SELECT * FROM read_text('file://${secretFile}')`],
    ],
    'the process and its environment': [
      [`SELECT * FROM read_text('/proc/self/environ')`],
      [`SELECT * FROM read_blob('/proc/${parentPid}/environ')`],
      [`SELECT * FROM read_text('/proc/self/cmdline')`],
      [`SELECT getenv('TIDE_TEST_MARKER')`],
    ],
    'hidden in a query': [
      [`SELECT (SELECT content FROM read_text('${secretFile}'))`],
      [`WITH x AS (SELECT * FROM read_text('${secretFile}')) SELECT * FROM x`],
      [`SELECT 1 WHERE EXISTS (FROM read_text('${secretFile}'))`],
      [`SELECT * FROM demo.t, LATERAL (SELECT * FROM read_text('${secretFile}'))`],
      [`EXPLAIN ANALYZE SELECT * FROM read_text('${secretFile}')`],
      [`DESCRIBE SELECT * FROM read_csv('${secretFile}')`],
      [`SUMMARIZE FROM read_csv('${secretFile}')`],
    ],
    'SQL in a string': [
      [`SELECT * FROM query('SELECT * FROM read_text(''${secretFile}'')')`],
      [`SELECT * FROM query_table('${secretFile}')`],
      [
        `SELECT * FROM json_execute_serialized_sql(json_serialize_sql('FROM read_text(''${secretFile}'')'))`,
      ],
    ],
    ATTACH: [
      [`ATTACH '${secretFile}' AS x`],
      [`ATTACH '${folder}/new.db'`],
      [`ATTACH '${url}/x.db' AS x`],
      [`DETACH memory`],
    ],
    COPY: [
      [`COPY (SELECT 1) TO '${folder}/out.csv'`],
      [`COPY demo.t TO '${ownParquet}'`],
      [`COPY demo.t FROM '${secretFile}'`],
      [`EXPLAIN ANALYZE COPY (SELECT 1) TO '${folder}/explained.csv'`],
    ],
    'EXPORT and IMPORT': [[`EXPORT DATABASE '${folder}/out'`], [`IMPORT DATABASE '${folder}'`]],
    extensions: [
      ['INSTALL httpfs'],
      ['FORCE INSTALL httpfs'],
      ['LOAD httpfs'],
      [`LOAD '${folder}/x.duckdb_extension'`],
      ['UPDATE EXTENSIONS'],
    ],
    secrets: [
      ["CREATE SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')"],
      ["CREATE PERSISTENT SECRET s (TYPE http, BEARER_TOKEN 'a')"],
      ['DROP SECRET s'],
      ['SELECT * FROM duckdb_secrets()', 'harmless'],
      ["SELECT * FROM which_secret('s3://b/x', 's3')", 'harmless'],
    ],
    settings: [
      ['SET enable_external_access = true'],
      ['SET GLOBAL lock_configuration = false'],
      ["SET memory_limit = '100GB'"],
      [`SET temp_directory = '${folder}'`],
      ['RESET memory_limit'],
      ['SET VARIABLE x = 1'],
      ['PRAGMA disable_optimizer'],
      [`PRAGMA enable_profiling = 'json'`],
      ['PRAGMA database_list', 'harmless'],
      [`SELECT * FROM duckdb_settings() WHERE name LIKE '%secret%'`, 'harmless'],
    ],
    'prepared statements and calls': [
      ['PREPARE p AS SELECT 1'],
      ['EXECUTE p'],
      ['DEALLOCATE p'],
      ['CALL pragma_version()'],
      ["CALL system.expire_snapshots('demo.t')"],
      ["CALL system.remove_orphan_files(table => 'demo.t', dry_run => false)"],
      ['CALL'],
      [`CALL read_text('${secretFile}')`],
    ],
    'several statements': [
      [`SELECT 1; SELECT * FROM read_text('${secretFile}')`],
      [`SELECT 1; COPY (SELECT 1) TO '${folder}/second.csv'`],
    ],
    writing: [
      ['CREATE TABLE x (a int)'],
      ['CREATE TEMP TABLE y AS SELECT 1'],
      ['CREATE MACRO m() AS 1'],
      ['CREATE VIEW v AS SELECT 1'],
      ['INSERT INTO demo.t VALUES (1)'],
      ['DELETE FROM demo.t'],
      ['DROP TABLE demo.t'],
      ['VACUUM'],
      ['CHECKPOINT'],
    ],
    transactions: [['BEGIN'], ['COMMIT'], ['ROLLBACK']],
    'the network': [
      [`SELECT * FROM '${url}/x.parquet'`],
      [`SELECT * FROM read_parquet('${url}/x.parquet')`],
      [`SELECT * FROM read_csv('${url}/x.csv')`],
      [`SELECT * FROM read_text('${url}/latest/meta-data/')`],
      ["SELECT * FROM read_parquet('s3://other-bucket/x.parquet')"],
      ["SELECT * FROM 'https://127.0.0.1/x.parquet'"],
      ["SELECT * FROM read_parquet('hf://datasets/x/y.parquet')"],
    ],
  }
}
