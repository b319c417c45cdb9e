"""What DuckDB's iceberg extension sees in a table. Same request and answer as read_table.py, with
"extensions": {"httpfs", "iceberg", "avro"} (paths) in the request; "filter" is a WHERE text here.
"""

import hashlib
import json
import math
import sys
from array import array
from urllib.parse import urlparse

import duckdb

PARTITION_SHIFT = 48


def connect(request):
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    connection.execute("SET TimeZone = 'UTC'")
    for name in ("avro", "httpfs", "iceberg"):
        connection.execute(f"LOAD '{request['extensions'][name]}'")
    s3 = request.get("s3")
    if s3 is not None:
        endpoint = urlparse(s3["endpoint"])
        connection.execute(
            f"""CREATE SECRET (TYPE s3, KEY_ID '{s3["accessKeyId"]}', SECRET '{s3["secretAccessKey"]}',
            REGION '{s3.get("region", "us-east-1")}', ENDPOINT '{endpoint.netloc}', URL_STYLE 'path',
            USE_SSL {'true' if endpoint.scheme == 'https' else 'false'})"""
        )
    if request.get("uri") is not None:
        token = request.get("token")
        authorization = f"TOKEN '{token}'" if token is not None else "AUTHORIZATION_TYPE 'none'"
        connection.execute(
            f"""ATTACH '{request.get("warehouse") or ""}' AS lake
            (TYPE iceberg, ENDPOINT '{request["uri"]}', {authorization})"""
        )
    return connection


def quoted(path):
    return ".".join('"' + part.replace('"', '""') + '"' for part in path.split("."))


def source(request):
    if request.get("metadataLocation") is not None:
        return f"iceberg_scan('{request['metadataLocation']}')"
    snapshot = request.get("snapshotId")
    at = "" if snapshot is None else f" AT (VERSION => {int(snapshot)})"
    return f"lake.{quoted(request['table'])}{at}"


def total(connection, origin, name):
    column = quoted(name)
    kind = connection.execute(f"SELECT typeof({column}) FROM {origin} LIMIT 1").fetchone()
    if kind is not None and kind[0] in ("DOUBLE", "FLOAT"):
        rows = connection.execute(f"SELECT {column} FROM {origin} WHERE {column} IS NOT NULL")
        return repr(math.fsum(value for (value,) in rows.fetchall()))
    return str(connection.execute(f"SELECT coalesce(sum({column}), 0) FROM {origin}").fetchone()[0])


def summary(request):
    connection = connect(request)
    where = "" if request.get("filter") is None else f" WHERE {request['filter']}"
    origin = f"(SELECT * FROM {source(request)}{where})"
    columns = [row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {origin}").fetchall()]
    days = []
    if request.get("day") is not None:
        day = quoted(request["day"])
        days = connection.execute(
            f"SELECT {day}::DATE::VARCHAR, count(*) FROM {origin} WHERE {day} IS NOT NULL GROUP BY 1 ORDER BY 1"
        ).fetchall()
    keys = array("q")
    per_partition = []
    if request.get("offsetColumn") is not None:
        partition = quoted(request["partitionColumn"])
        offset = quoted(request["offsetColumn"])
        rows = connection.execute(
            f"SELECT ({partition}::BIGINT << {PARTITION_SHIFT}) | {offset} FROM {origin} ORDER BY 1"
        )
        while batch := rows.fetchmany(100_000):
            keys.extend(key for (key,) in batch)
        per_partition = connection.execute(
            f"SELECT {partition}, count(*) FROM {origin} GROUP BY 1 ORDER BY 1"
        ).fetchall()
    return {
        "count": connection.execute(f"SELECT count(*) FROM {origin}").fetchone()[0],
        "sums": {name: total(connection, origin, name) for name in request.get("sums", [])},
        "days": dict(days),
        "perPartition": {str(p): n for p, n in per_partition},
        "offsetsDigest": hashlib.sha256(keys.tobytes()).hexdigest(),
        "columns": columns,
        "snapshotId": None,
        "files": None,
    }


def tables(request):
    rows = connect(request).execute(
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'lake' ORDER BY ALL"
    )
    return [list(row) for row in rows.fetchall()]


request = json.load(sys.stdin)
json.dump({"tables": tables, "summary": summary}[request["do"]](request), sys.stdout)
