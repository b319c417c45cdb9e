"""What PyIceberg sees in the manifests of tables, straight from their metadata files.

Argument: a JSON object of name -> {"location", "filter"?}. Prints name -> description; every value is text,
so that nothing is lost on the way.
"""

import json
import sys

from pyiceberg.conversions import from_bytes
from pyiceberg.table import StaticTable
from pyiceberg.types import PrimitiveType


def text(value):
    if value is None:
        return None
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


def bounds(table, stored):
    columns = {}
    for field_id, data in (stored or {}).items():
        field = table.schema().find_field(field_id)
        assert isinstance(field.field_type, PrimitiveType)
        columns[str(field_id)] = text(from_bytes(field.field_type, data))
    return columns


def describe(location, row_filter):
    table = StaticTable.from_metadata(location)
    files = []
    for manifest in table.current_snapshot().manifests(table.io) if table.current_snapshot() else []:
        for entry in manifest.fetch_manifest_entry(table.io):
            file = entry.data_file
            files.append(
                {
                    "path": file.file_path,
                    "partition": [text(file.partition[i]) for i in range(len(table.specs()[manifest.partition_spec_id].fields))],
                    "lower": bounds(table, file.lower_bounds),
                    "upper": bounds(table, file.upper_bounds),
                    "nulls": {str(k): v for k, v in (file.null_value_counts or {}).items()},
                    "status": int(entry.status),
                    "sequence": entry.sequence_number,
                    "fileSequence": entry.file_sequence_number,
                    "snapshot": str(entry.snapshot_id),
                    "records": file.record_count,
                    "summaries": [
                        [s.contains_null, s.contains_nan, text(s.lower_bound), text(s.upper_bound)]
                        for s in manifest.partitions or []
                    ],
                }
            )
    scan = table.scan(row_filter=row_filter) if row_filter else table.scan()
    return {
        "files": files,
        "planned": sorted(task.file.file_path for task in scan.plan_files()),
        "summary": dict(table.current_snapshot().summary.additional_properties) if table.current_snapshot() else None,
        "spec": str(table.spec()),
        "schema": str(table.schema()),
        "properties": dict(table.properties),
    }


tables = json.loads(sys.argv[1])
json.dump({name: describe(t["location"], t.get("filter")) for name, t in tables.items()}, sys.stdout)
