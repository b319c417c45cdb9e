"""A small table written by PyIceberg alone, so that the judges can be checked against known answers.
Argument: a folder. Prints {"metadataLocation"}."""

import json
import sys
from datetime import datetime, timezone
from decimal import Decimal

import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog

folder = sys.argv[1]
catalog = SqlCatalog("fixture", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}")
catalog.create_namespace("web")
rows = pa.table(
    {
        "id": pa.array([9007199254740993, 2, None], pa.int64()),
        "price": pa.array([Decimal("1.10"), Decimal("2.20"), None], pa.decimal128(9, 2)),
        "ratio": pa.array([0.1, 0.2, 0.7], pa.float64()),
        "at": pa.array(
            [datetime(2001, 1, day, 23, 59, tzinfo=timezone.utc) for day in (1, 1, 2)],
            pa.timestamp("us", "UTC"),
        ),
        "_kafka": pa.array(
            [{"partition": 1, "offset": 7}, {"partition": 0, "offset": 5}, {"partition": 1, "offset": 8}],
            pa.struct([("partition", pa.int32()), ("offset", pa.int64())]),
        ),
    }
)
table = catalog.create_table("web.events", schema=rows.schema)
table.append(rows.slice(0, 2))
table.append(rows.slice(2))
json.dump({"metadataLocation": table.metadata_location}, sys.stdout)
