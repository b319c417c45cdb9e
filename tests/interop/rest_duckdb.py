"""Attaches our REST catalog with DuckDB's iceberg extension and prints what it reads as JSON."""

import json
import sys

import duckdb


def main(uri, extensions):
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    for extension in extensions.split(","):
        connection.execute(f"LOAD '{extension}'")
    connection.execute(f"ATTACH 'lake' AS lake (TYPE iceberg, ENDPOINT '{uri}', AUTHORIZATION_TYPE 'none')")
    seen = {}
    seen["tables"] = sorted(
        f"{schema}.{name}"
        for schema, name in connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables WHERE table_catalog = 'lake'"
        ).fetchall()
    )
    seen["count"] = connection.execute("SELECT count(*) FROM lake.py.events").fetchone()[0]
    seen["sum"] = str(connection.execute("SELECT sum(id) FROM lake.py.events").fetchone()[0])
    seen["per_day"] = [
        [str(day), count]
        for day, count in connection.execute(
            "SELECT (ts AT TIME ZONE 'UTC')::DATE AS day, count(*) FROM lake.py.events GROUP BY day ORDER BY day"
        ).fetchall()
    ]
    seen["filtered"] = connection.execute(
        "SELECT count(*) FROM lake.py.events WHERE ts >= TIMESTAMPTZ '2024-05-03 00:00:00+00'"
    ).fetchone()[0]
    seen["ours"] = [str(i) for (i,) in connection.execute("SELECT id FROM lake.shop.orders ORDER BY id").fetchall()]
    connection.execute("INSERT INTO lake.shop.orders VALUES (7)")
    connection.execute("CREATE TABLE lake.shop.made (a BIGINT, b VARCHAR)")
    connection.execute("INSERT INTO lake.shop.made VALUES (9223372036854775807, 'x')")
    seen["made"] = [[str(a), b] for a, b in connection.execute("SELECT a, b FROM lake.shop.made").fetchall()]
    print(json.dumps(seen))


main(sys.argv[1], sys.argv[2])
