"""Drives our REST catalog through PyIceberg, as a user would, and prints what it saw as JSON."""

import datetime
import json
import sys

import pyarrow as pa
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.exceptions import (
    CommitFailedException,
    NamespaceAlreadyExistsError,
    NamespaceNotEmptyError,
    NoSuchNamespaceError,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import DayTransform
from pyiceberg.types import ListType, LongType, NestedField, StringType, TimestamptzType

UTC = datetime.timezone.utc


def rows(first, count):
    day = datetime.datetime(2024, 5, 1, tzinfo=UTC)
    return pa.table(
        {
            "id": pa.array([2**53 + 1 + i for i in range(first, first + count)], pa.int64()),
            "ts": pa.array(
                [day + datetime.timedelta(hours=7 * i) for i in range(first, first + count)],
                pa.timestamp("us", tz="UTC"),
            ),
            "name": pa.array([f"row {i} é" for i in range(first, first + count)], pa.string()),
            "tags": pa.array([[str(i), None] for i in range(first, first + count)], pa.list_(pa.string())),
        }
    )


def raised(error, action):
    try:
        action()
    except error:
        return True
    return False


def main(uri):
    seen = {}
    catalog = RestCatalog("tide", uri=uri, warehouse="anything")
    catalog.create_namespace("py", {"owner": "pyiceberg"})
    catalog.create_namespace(("py", "inner.level"))
    seen["namespace_twice"] = raised(NamespaceAlreadyExistsError, lambda: catalog.create_namespace("py"))
    seen["namespace_missing"] = raised(NoSuchNamespaceError, lambda: catalog.list_tables("absent"))
    seen["namespaces"] = [list(n) for n in catalog.list_namespaces()]
    seen["children"] = [list(n) for n in catalog.list_namespaces("py")]
    seen["properties"] = dict(catalog.load_namespace_properties("py"))
    summary = catalog.update_namespace_properties("py", removals={"owner", "none"}, updates={"a": "b"})
    seen["property_summary"] = [sorted(summary.updated), sorted(summary.removed), sorted(summary.missing)]

    schema = Schema(
        NestedField(10, "id", LongType(), required=False),
        NestedField(11, "ts", TimestamptzType(), required=False),
        NestedField(12, "name", StringType(), required=False),
        NestedField(13, "tags", ListType(14, StringType(), False), required=False),
    )
    spec = PartitionSpec(PartitionField(11, 1000, DayTransform(), "ts_day"))
    table = catalog.create_table("py.events", schema, partition_spec=spec, properties={"made-by": "pyiceberg"})
    seen["table_twice"] = raised(TableAlreadyExistsError, lambda: catalog.create_table("py.events", schema))
    seen["table_missing"] = raised(NoSuchTableError, lambda: catalog.load_table("py.absent"))
    seen["exists"] = [catalog.table_exists("py.events"), catalog.table_exists("py.absent")]
    seen["not_empty"] = raised(NamespaceNotEmptyError, lambda: catalog.drop_namespace("py"))
    table.append(rows(0, 10))
    table.append(rows(10, 5))

    stale = catalog.load_table("py.events")
    table.append(rows(15, 1))
    seen["stale_append_conflicts"] = raised(CommitFailedException, lambda: stale.append(rows(99, 1)))

    with table.update_schema() as update:
        update.add_column("extra", StringType())
        update.rename_column("name", "title")
    with table.update_schema() as update:
        update.delete_column("extra")
    with table.transaction() as transaction:
        transaction.set_properties({"k": "v", "write.metadata.previous-versions-max": "50"})
    with table.update_spec() as update:
        update.add_identity("title")
    table.delete("id = 9007199254740993")
    table.manage_snapshots().create_tag(table.current_snapshot().snapshot_id, "v1").commit()
    table.manage_snapshots().create_branch(table.current_snapshot().snapshot_id, "dev").commit()

    with catalog.create_table_transaction("py.staged", schema=table.schema()) as transaction:
        with transaction.update_snapshot().fast_append():
            pass
        transaction.set_properties({"staged": "yes"})
    seen["staged"] = catalog.load_table("py.staged").properties.get("staged")

    catalog.rename_table("py.staged", ("py", "inner.level", "moved"))
    seen["moved"] = [list(t) for t in catalog.list_tables(("py", "inner.level"))]
    catalog.purge_table(("py", "inner.level", "moved"))
    catalog.create_table("py.gone", schema)
    catalog.drop_table("py.gone")
    seen["tables"] = [list(t) for t in catalog.list_tables("py")]

    again = RestCatalog("again", uri=uri).load_table("py.events")
    scanned = again.scan().to_arrow()
    seen["ids"] = sorted(str(i) for i in scanned["id"].to_pylist())
    seen["filtered"] = again.scan(row_filter="ts >= '2024-05-03T00:00:00+00:00'").to_arrow().num_rows
    seen["columns"] = scanned.column_names
    seen["refs"] = sorted(again.metadata.refs)
    seen["snapshots"] = len(again.metadata.snapshots)
    ours = RestCatalog("ours", uri=uri).load_table("shop.orders")
    seen["our_schema"] = [f"{f.field_id} {f.name} {f.field_type}" for f in ours.schema().fields]
    ours.append(pa.table({"id": pa.array([1, 2**62], pa.int64())}, schema=pa.schema([pa.field("id", pa.int64(), nullable=False)])))
    seen["our_ids"] = [str(i) for i in ours.scan().to_arrow()["id"].to_pylist()]
    print(json.dumps(seen))


main(sys.argv[1])
