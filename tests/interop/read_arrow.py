"""Reads an Arrow IPC stream from an HTTP answer and prints its schema and rows as JSON."""

import json
import sys
import urllib.request

import pyarrow as pa


def plain(value):
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    return value if value is None or isinstance(value, (bool, str)) else str(value)


def main(url):
    request = urllib.request.Request(
        url,
        data=sys.stdin.read().encode(),
        headers={"Accept": "application/vnd.apache.arrow.stream"},
        method="POST",
    )
    with urllib.request.urlopen(request) as answer:
        reader = pa.ipc.open_stream(answer)
        batches = list(reader)
    table = pa.Table.from_batches(batches, reader.schema)
    table.validate(full=True)
    print(
        json.dumps(
            {
                "schema": [[field.name, str(field.type)] for field in table.schema],
                "batches": len(batches),
                "rows": [plain(list(row.values())) for row in table.to_pylist()],
            }
        )
    )


main(sys.argv[1])
