"""Tables of every partition transform, written by PyIceberg. Argument: a folder.

Prints {"tables": name -> {"location", "files": path -> rows}}; the rows come from the Parquet files themselves.
"""

import json
import sys
from datetime import date, datetime, timezone
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import parse_transform
from pyiceberg.types import (
    BinaryType,
    DateType,
    DecimalType,
    DoubleType,
    LongType,
    NestedField,
    StringType,
    TimestampType,
    TimestamptzType,
)

folder = sys.argv[1]
catalog = SqlCatalog("fixture", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}")
catalog.create_namespace("web")
schema = Schema(
    NestedField(1, "id", LongType(), required=False),
    NestedField(2, "name", StringType(), required=False),
    NestedField(3, "at", TimestamptzType(), required=False),
    NestedField(4, "local", TimestampType(), required=False),
    NestedField(5, "day", DateType(), required=False),
    NestedField(6, "price", DecimalType(9, 2), required=False),
    NestedField(7, "ratio", DoubleType(), required=False),
    NestedField(8, "raw", BinaryType(), required=False),
)
instants = [datetime(1969, 12, 31, 23, 59, 59, 999999), datetime(1970, 1, 1), datetime(2024, 2, 29, 12, 30), None]
rows = pa.table(
    {
        "id": pa.array([-1, 9007199254740993, 34, None], pa.int64()),
        "name": pa.array(["iceberg", "a much longer name \U0001F600", "\uff5e\U0001F600", None], pa.string()),
        "at": pa.array([i and i.replace(tzinfo=timezone.utc) for i in instants], pa.timestamp("us", "UTC")),
        "local": pa.array(instants, pa.timestamp("us")),
        "day": pa.array([date(1969, 12, 31), date(1970, 1, 1), date(2024, 2, 29), None], pa.date32()),
        "price": pa.array([Decimal("-1.05"), Decimal("14.20"), Decimal("0.00"), None], pa.decimal128(9, 2)),
        "ratio": pa.array([-0.5, float("nan"), 2.5, None], pa.float64()),
        "raw": pa.array([b"\x00\x01\x02\x03", b"\xff" * 20, b"", None], pa.binary()),
    }
)
partitionings = {
    "identity": [("identity", "id"), ("identity", "name"), ("identity", "price")],
    "bucket": [("bucket[16]", "id"), ("bucket[4]", "name"), ("bucket[8]", "price"), ("bucket[3]", "raw"), ("bucket[5]", "at")],
    "truncate": [("truncate[10]", "id"), ("truncate[2]", "name"), ("truncate[50]", "price"), ("truncate[2]", "raw")],
    "calendar": [("year", "day"), ("month", "at"), ("day", "local")],
    "hour": [("hour", "at")],
    "day": [("day", "at")],
    "none": [],
}
result = {}
for name, fields in partitionings.items():
    ids = {field.name: field.field_id for field in schema.fields}
    spec = PartitionSpec(
        *[
            PartitionField(ids[column], 1000 + i, parse_transform(transform), f"p{i}")
            for i, (transform, column) in enumerate(fields)
        ]
    )
    table = catalog.create_table(f"web.{name}", schema=schema, partition_spec=spec)
    table.append(rows.slice(0, 2))
    table.append(rows.slice(2))
    files = {}
    for task in table.scan().plan_files():
        read = pq.read_table(task.file.file_path.removeprefix("file://"))
        files[task.file.file_path] = [
            {
                "id": None if row["id"] is None else str(row["id"]),
                "name": row["name"],
                "micros": None
                if row["at"] is None
                else str((row["at"] - datetime(1970, 1, 1, tzinfo=timezone.utc)) // (datetime.resolution)),
                "price": None if row["price"] is None else str(row["price"]),
                "raw": None if row["raw"] is None else row["raw"].hex(),
            }
            for row in read.to_pylist()
        ]
    result[name] = {"location": table.metadata_location, "files": files}
json.dump({"tables": result}, sys.stdout)
