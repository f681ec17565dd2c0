#include "audit/export_summary.h"

#include "audit/concat.h"

namespace weir::audit {
namespace {

std::string Escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string TableHtml(std::string_view title, const RecordCounts::Table& counts) {
  if (counts.empty()) return "";
  std::string html = Concat("<h2>", title, "</h2>\n<table>\n");
  for (const auto& [name, count] : MostFrequentFirst(counts)) {
    html += Concat("<tr><td>", Escaped(name), "</td><td>", count, "</td></tr>\n");
  }
  return html + "</table>\n";
}

}  // namespace

void ExportCounts::Add(const Record& record) {
  if (counts_.records == 0) {
    first_seq_ = record.seq;
    first_time_us_ = record.time_us;
  }
  last_seq_ = record.seq;
  last_time_us_ = record.time_us;
  counts_.Add(record);
}

std::string ExportCounts::Html(std::string_view origin, std::string_view key) const {
  return Concat(
      "<!DOCTYPE html>\n<html lang=\"zh\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<title>审计导出摘要 Audit export summary</title>\n"
      "<style>body{font-family:sans-serif;max-width:50em;margin:2em auto}"
      "table{border-collapse:collapse}td{border:1px solid #999;padding:.2em .8em}"
      "td+td{text-align:right}code{word-break:break-all}</style>\n</head>\n<body>\n"
      "<h1>审计导出摘要<br>Audit export summary</h1>\n"
      "<p>本页仅供阅读。是否完整、是否被篡改，以 <code>weir-verify</code> "
      "对本目录其他文件的核验为准。<br>\n"
      "This page is a reading aid. Whether the export is whole and unaltered is what "
      "<code>weir-verify</code> says of the other files.</p>\n<table>\n"
      "<tr><td>账本 Ledger</td><td>",
      Escaped(origin), "</td></tr>\n<tr><td>公钥 Public key</td><td><code>", Escaped(key),
      "</code></td></tr>\n<tr><td>记录 Records</td><td>", counts_.records,
      "</td></tr>\n<tr><td>编号 Numbers</td><td>", first_seq_, " – ", last_seq_,
      "</td></tr>\n<tr><td>时间 Time (UTC)</td><td>", FormatTime(first_time_us_), " – ",
      FormatTime(last_time_us_), "</td></tr>\n</table>\n",
      TableHtml("记录种类 Kinds of record", counts_.kinds),
      TableHtml("处置 Actions", counts_.actions),
      TableHtml("风险类别（含该类命中的记录数） Categories (records with a finding)",
                counts_.categories),
      TableHtml("规则（命中的记录数） Rules (records with a finding)", counts_.rules),
      TableHtml("应用 Apps", counts_.apps), "</body>\n</html>\n");
}

}  // namespace weir::audit
