"""What PyIceberg sees in a table, as JSON. Request on standard input:

  {"do": "tables", "uri", "s3"}                                    -> [[namespace, name], ...]
  {"do": "summary", "uri", "table" | "metadataLocation", "s3", "sums": [column], "day": column|null,
   "partitionColumn": path|null, "offsetColumn": path|null, "snapshotId": text|null,
   "filter": row filter|null, "warehouse": text|null, "token": text|null}
      -> {"count", "sums", "days", "perPartition", "offsetsDigest", "columns", "snapshotId", "files"}

Columns may be paths into structs (`_kafka.offset`). The digest is the one of kafka_judge.py.
"""

import hashlib
import json
import math
import sys
from array import array
from collections import Counter
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.catalog import load_catalog
from pyiceberg.table import StaticTable

PARTITION_SHIFT = 48


def properties(request):
    s3 = request.get("s3")
    found = {}
    if s3 is not None:
        found = {
            "s3.endpoint": s3["endpoint"],
            "s3.access-key-id": s3["accessKeyId"],
            "s3.secret-access-key": s3["secretAccessKey"],
            "s3.region": s3.get("region", "us-east-1"),
            "s3.path-style-access": "true",
        }
    for key in ("warehouse", "token"):
        if request.get(key) is not None:
            found[key] = request[key]
    return found


def catalog(request):
    return load_catalog("tidewater", type="rest", uri=request["uri"], **properties(request))


def open_table(request):
    if request.get("metadataLocation") is not None:
        return StaticTable.from_metadata(request["metadataLocation"], properties(request))
    return catalog(request).load_table(request["table"])


def column(batch, path):
    first, *rest = path.split(".")
    found = batch.column(first)
    for name in rest:
        found = pc.struct_field(found, name)
    return found


def add(total, values):
    """Exact: decimals and integers as Decimal, doubles by fsum over parts."""
    values = values.drop_null()
    if len(values) == 0:
        return total
    if pa.types.is_floating(values.type):
        return total + [math.fsum(values.to_pylist())]
    if pa.types.is_integer(values.type):
        values = values.cast(pa.decimal128(38, 0))
    return total + [pc.sum(values).as_py()]


def total_text(parts):
    if not parts:
        return "0"
    return repr(math.fsum(parts)) if isinstance(parts[0], float) else str(sum(parts, Decimal(0)))


def summary(request):
    table = open_table(request)
    scan_options = {}
    if request.get("snapshotId") is not None:
        scan_options["snapshot_id"] = int(request["snapshotId"])
    if request.get("filter") is not None:
        scan_options["row_filter"] = request["filter"]
    scan = table.scan(**scan_options)
    count = 0
    sums = {name: [] for name in request.get("sums", [])}
    days = Counter()
    keys = array("q")
    for batch in scan.to_arrow_batch_reader():
        count += batch.num_rows
        for name in sums:
            sums[name] = add(sums[name], column(batch, name))
        if request.get("day") is not None:
            dates = column(batch, request["day"]).drop_null().cast(pa.date32())
            for pair in dates.value_counts():
                days[pair["values"].as_py().isoformat()] += pair["counts"].as_py()
        if request.get("offsetColumn") is not None:
            partitions = column(batch, request["partitionColumn"]).cast(pa.int64())
            offsets = column(batch, request["offsetColumn"]).cast(pa.int64())
            shifted = pc.shift_left(partitions, pa.scalar(PARTITION_SHIFT, pa.int64()))
            keys.extend(pc.bit_wise_or(shifted, offsets).to_pylist())
    per_partition = Counter(key >> PARTITION_SHIFT for key in keys)
    snapshot = table.current_snapshot()
    return {
        "count": count,
        "sums": {name: total_text(parts) for name, parts in sums.items()},
        "days": dict(sorted(days.items())),
        "perPartition": {str(p): n for p, n in sorted(per_partition.items())},
        "offsetsDigest": hashlib.sha256(array("q", sorted(keys)).tobytes()).hexdigest(),
        "columns": [field.name for field in table.schema().fields],
        "snapshotId": None if snapshot is None else str(snapshot.snapshot_id),
        "files": len(list(scan.plan_files())),
    }


def tables(request):
    found = catalog(request)
    names = []
    for namespace in found.list_namespaces():
        names += [[".".join(name[:-1]), name[-1]] for name in found.list_tables(namespace)]
    return sorted(names)


request = json.load(sys.stdin)
json.dump({"tables": tables, "summary": summary}[request["do"]](request), sys.stdout)
