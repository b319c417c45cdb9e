import java.io.BufferedReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.apache.iceberg.PartitionSpec;
import org.apache.iceberg.Schema;
import org.apache.iceberg.SortOrder;
import org.apache.iceberg.TableMetadata;
import org.apache.iceberg.TableMetadataParser;
import org.apache.iceberg.types.TypeUtil;

/**
 * Loads table metadata with Iceberg's own Java parser, as Spark, Trino and Flink do. The argument is a folder of files with
 * one table a line: the test it comes from, its metadata location and its JSON, divided by tabs. Prints a line for each
 * table that is refused, and last `N tables, M refused`.
 */
public class JudgeTableMetadata {
  public static void main(String[] args) throws Exception {
    List<Path> files = new ArrayList<>();
    try (Stream<Path> entries = Files.list(Path.of(args[0]))) {
      entries.filter(path -> path.toString().endsWith(".tsv")).sorted().forEach(files::add);
    }
    Set<String> tables = new HashSet<>();
    int refused = 0;
    for (Path file : files) {
      try (BufferedReader reader = Files.newBufferedReader(file, StandardCharsets.UTF_8)) {
        for (String line = reader.readLine(); line != null; line = reader.readLine()) {
          String[] parts = line.split("\t", 3);
          try {
            tables.add(parts[0] + " " + load(parts[1], parts[2]).uuid());
          } catch (RuntimeException error) {
            tables.add(parts[0] + " " + parts[1]);
            refused++;
            System.out.println("REFUSED\t" + parts[0] + "\t" + parts[1] + "\t" + reasonOf(error));
          }
        }
      }
    }
    System.out.println(tables.size() + " tables, " + refused + " refused");
  }

  /** Also what an engine asks of a table right after it was parsed: each is computed only then. */
  private static TableMetadata load(String location, String json) {
    TableMetadata metadata = TableMetadataParser.fromJson(location, json);
    for (Schema schema : metadata.schemas()) {
      TypeUtil.indexByName(schema.asStruct());
      schema.identifierFieldNames();
    }
    for (PartitionSpec spec : metadata.specs()) {
      spec.rawPartitionType();
    }
    metadata.spec().partitionType();
    for (SortOrder order : metadata.sortOrders()) {
      order.fields();
    }
    metadata.currentSnapshot();
    return metadata;
  }

  private static String reasonOf(RuntimeException error) {
    return (error.getClass().getSimpleName() + ": " + error.getMessage()).replaceAll("\\s+", " ");
  }
}
