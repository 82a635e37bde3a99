import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * `java Predict.java ADDRESS FILE VERSION` asks /predict_batch with the HTTP client of the JDK.
 *
 * The first line of FILE has the columns, the others the cells of a row with tabs between them: `n` and
 * the bits of a number, `b` and a truth value, `t` and a text, or `-`. Each line of the output has a
 * label and the bits of its probabilities. The JDK has no JSON: numbers are written and read here, by
 * Double.toString and Double.parseDouble.
 */
public class Predict {
  public static void main(String[] arguments) throws Exception {
    List<String> lines = Files.readAllLines(Path.of(arguments[1]), StandardCharsets.UTF_8);
    String[] columns = lines.get(0).split("\t", -1);
    List<String> rows = new ArrayList<>();
    for (String line : lines.subList(1, lines.size())) {
      String[] cells = line.split("\t", -1);
      List<String> members = new ArrayList<>();
      for (int place = 0; place < columns.length; place++) {
        members.add(quoted(columns[place]) + ":" + written(cells[place]));
      }
      rows.add("{" + String.join(",", members) + "}");
    }
    String body = "{\"rows\":[" + String.join(",", rows) + "]}";
    HttpClient client =
        HttpClient.newBuilder().version(HttpClient.Version.valueOf(arguments[2])).build();
    HttpRequest request =
        HttpRequest.newBuilder(URI.create(arguments[0] + "/predict_batch"))
            .header("Content-Type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofString(body))
            .build();
    HttpResponse<String> response = client.send(request, HttpResponse.BodyHandlers.ofString());
    if (response.statusCode() != 200) {
      throw new IllegalStateException(response.statusCode() + " " + response.body());
    }
    String[] labels = listAfter("label", response.body());
    List<String[]> numbers = new ArrayList<>();
    Matcher named =
        Pattern.compile("\"([^\"]*)\":\\[").matcher(objectAfter("probabilities", response.body()));
    while (named.find()) {
      numbers.add(listAfter(named.group(1), response.body()));
    }
    StringBuilder found = new StringBuilder();
    for (int row = 0; row < labels.length; row++) {
      found.append(labels[row].replace("\"", ""));
      for (String[] column : numbers) {
        long bits = Double.doubleToRawLongBits(Double.parseDouble(column[row]));
        found.append('\t').append(String.format("%016x", bits));
      }
      found.append('\n');
    }
    System.out.print(found);
  }

  private static String written(String cell) {
    String rest = cell.substring(1);
    switch (cell.charAt(0)) {
      case 'n':
        return Double.toString(Double.longBitsToDouble(Long.parseUnsignedLong(rest, 16)));
      case 'b':
        return rest;
      case 't':
        return quoted(rest);
      default:
        return "null";
    }
  }

  private static String quoted(String text) {
    return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
  }

  private static String[] listAfter(String name, String json) {
    return between("\"" + name + "\":[", "]", json).split(",");
  }

  private static String objectAfter(String name, String json) {
    return between("\"" + name + "\":{", "}", json);
  }

  private static String between(String start, String end, String json) {
    int from = json.indexOf(start) + start.length();
    return json.substring(from, json.indexOf(end, from));
  }
}
