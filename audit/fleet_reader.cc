#include <algorithm>
#include <charconv>
#include <utility>

#include "audit/checkpoint.h"
#include "audit/concat.h"
#include "audit/fleet.h"
#include "audit/store.h"

namespace weir::audit {
namespace {

// Rows of one answer while a log is verified.
constexpr int kVerifyRows = 2'000;

// A statement that grows by conditions, each with its parameter.
class Conditions {
 public:
  // `sql` has a ? where the value goes.
  void Add(std::string_view sql, std::string value) {
    values_.push_back(std::move(value));
    const size_t at = sql.find('?');
    sql_ += Concat(sql_.empty() ? " WHERE " : " AND ", sql.substr(0, at), "$", values_.size(),
                   sql.substr(at + 1));
  }
  void AddIf(std::string_view sql, const std::string& value) {
    if (!value.empty()) Add(sql, value);
  }
  const std::string& sql() const { return sql_; }
  std::vector<std::string>& values() { return values_; }

 private:
  std::string sql_;
  std::vector<std::string> values_;
};

absl::StatusOr<Found> ReadRecord(const PgRows& rows, int row, int record_column, int leaf_column) {
  absl::StatusOr<std::string> encoded = rows.Bytes(row, record_column);
  if (!encoded.ok()) return encoded.status();
  absl::StatusOr<std::string> leaf = rows.Bytes(row, leaf_column);
  if (!leaf.ok()) return leaf.status();
  absl::StatusOr<Record> record = Decode(*encoded);
  if (!record.ok()) return absl::DataLossError(record.status().message());
  if (AsBytes(LeafHash(*encoded)) != *leaf) {
    return absl::DataLossError("its bytes do not hash to its leaf");
  }
  return Found{*std::move(record), *std::move(encoded)};
}

}  // namespace

std::string FleetCursor::ToString() const {
  return Concat(time_us, ".", log_id, ".", seq);
}

std::optional<FleetCursor> ParseFleetCursor(std::string_view text) {
  FleetCursor cursor;
  const char* const end = text.data() + text.size();
  const auto time = std::from_chars(text.data(), end, cursor.time_us);
  if (time.ec != std::errc() || time.ptr == end || *time.ptr != '.') return std::nullopt;
  const auto log = std::from_chars(time.ptr + 1, end, cursor.log_id);
  if (log.ec != std::errc() || log.ptr == end || *log.ptr != '.') return std::nullopt;
  const auto seq = std::from_chars(log.ptr + 1, end, cursor.seq);
  if (seq.ec != std::errc() || seq.ptr != end) return std::nullopt;
  return cursor;
}

absl::StatusOr<FleetReader> FleetReader::Open(const std::string& database) {
  absl::StatusOr<PgConnection> connection = PgConnection::Connect(database);
  if (!connection.ok()) return connection.status();
  const absl::Status status = connection->Run("SELECT 1 FROM weir_records LIMIT 1").status();
  if (status.code() == absl::StatusCode::kNotFound) {
    return absl::UnavailableError(
        "no gateway has shipped to this database yet: name the one that audit.fleet names in the "
        "gateways' configuration");
  }
  if (!status.ok()) return status;
  return FleetReader(*std::move(connection));
}

absl::StatusOr<FleetPage> FleetReader::Find(const Query& query,
                                            const std::optional<FleetCursor>& before) {
  if (query.limit == 0) return absl::InvalidArgumentError("the limit must be at least 1");
  if (!query.words.empty()) {
    return absl::InvalidArgumentError(
        "content stays with the gateway that recorded it: search for words there");
  }
  Conditions where;
  if (query.from_us) where.Add("r.time_us >= ?", Concat(*query.from_us));
  if (query.to_us) where.Add("r.time_us < ?", Concat(*query.to_us));
  if (!query.kinds.empty()) {
    std::string any;
    for (size_t i = 0; i + 1 < query.kinds.size(); ++i) {
      where.values().emplace_back(Name(query.kinds[i]));
      any += Concat("r.kind = $", where.values().size(), " OR ");
    }
    where.Add(Concat("(", any, "r.kind = ?)"), std::string(Name(query.kinds.back())));
  }
  where.AddIf("r.exchange = ?", query.exchange);
  where.AddIf("r.app = ?", query.app);
  where.AddIf("r.user_name = ?", query.user);
  where.AddIf("r.profile = ?", query.profile);
  where.AddIf("r.region = ?", query.region);
  where.AddIf("r.action = ?", query.action);
  where.AddIf("r.model = ?", query.model);
  for (const auto& [column, value] :
       {std::pair("rule", query.rule), std::pair("category", query.category)}) {
    where.AddIf(Concat("EXISTS (SELECT 1 FROM weir_findings f WHERE f.log_id = r.log_id"
                       " AND f.seq = r.seq AND f.",
                       column, " = ?)"),
                value);
  }
  if (before) {
    std::vector<std::string>& values = where.values();
    where.Add("r.time_us <= ?", Concat(before->time_us));
    const size_t first = values.size() + 1;
    values.push_back(Concat(before->time_us));
    values.push_back(Concat(before->log_id));
    where.Add(Concat("(r.time_us, r.log_id, r.seq) < ($", first, ", $", first + 1, ", ?)"),
              Concat(before->seq));
  }
  absl::StatusOr<PgRows> rows = connection_.Run(
      Concat("SELECT r.log_id, r.record, r.leaf, l.origin FROM weir_records r JOIN weir_logs l ON "
             "l.log_id = r.log_id",
             where.sql(), " ORDER BY r.time_us DESC, r.log_id DESC, r.seq DESC LIMIT ",
             query.limit + 1),
      where.values());
  if (!rows.ok()) return rows.status();
  FleetPage page;
  for (int row = 0; row < rows->size(); ++row) {
    absl::StatusOr<Found> found = ReadRecord(*rows, row, 1, 2);
    if (!found.ok()) {
      return absl::DataLossError(
          Concat("a record of ", rows->Text(row, 3), " was altered in the fleet's database (",
                 found.status().message(), "): run `weir audit verify --fleet`"));
    }
    const FleetCursor place{found->record.time_us, rows->Int(row, 0), found->record.seq};
    page.records.push_back({std::string(rows->Text(row, 3)), place, *std::move(found)});
  }
  if (page.records.size() > query.limit) {
    page.records.pop_back();
    page.next = page.records.back().place;
  }
  return page;
}

absl::StatusOr<std::vector<FleetLogReport>> FleetReader::Verify(
    const std::vector<VerifierKey>& keys) {
  absl::StatusOr<PgRows> logs =
      connection_.Run("SELECT log_id, origin, public_key FROM weir_logs ORDER BY origin, log_id");
  if (!logs.ok()) return logs.status();
  std::vector<FleetLogReport> reports;
  for (int row = 0; row < logs->size(); ++row) {
    FleetLogReport& log = reports.emplace_back();
    log.origin = std::string(logs->Text(row, 1));
    absl::StatusOr<VerifierKey> named = VerifierKey::Parse(logs->Text(row, 2));
    const auto given = std::find_if(keys.begin(), keys.end(), [&](const VerifierKey& key) {
      return named.ok() && key.ToString() == named->ToString();
    });
    if (!named.ok() || (!keys.empty() && given == keys.end())) {
      log.report.reason = Concat("the database names the key ", logs->Text(row, 2),
                                 " for it, which is none of those given");
      continue;
    }
    absl::StatusOr<VerifyReport> report = VerifyLog(std::string(logs->Text(row, 0)), *named);
    if (!report.ok()) return report.status();
    log.report = *std::move(report);
  }
  return reports;
}

absl::StatusOr<VerifyReport> FleetReader::VerifyLog(const std::string& log_id,
                                                    const VerifierKey& key) {
  VerifyReport report;
  CompactRange tree;
  int64_t last_time_us = 0;
  uint64_t vouched = 0;  // records before this are under a checkpoint that fits
  const auto bad = [&report](uint64_t seq, std::string reason) {
    report.first_bad_seq = seq;
    report.reason = std::move(reason);
    return report;
  };
  absl::StatusOr<PgRows> notes = connection_.Run(
      "SELECT size, note FROM weir_checkpoints WHERE log_id = $1 ORDER BY size", {log_id});
  if (!notes.ok()) return notes.status();
  int note = 0;
  for (bool more = true; more;) {
    absl::StatusOr<PgRows> rows = connection_.Run(
        Concat("SELECT seq, record, leaf FROM weir_records WHERE log_id = $1 AND seq >= $2"
               " ORDER BY seq LIMIT ",
               kVerifyRows),
        {log_id, Concat(tree.size())});
    if (!rows.ok()) return rows.status();
    more = rows->size() == kVerifyRows;
    for (int row = 0; row < rows->size(); ++row) {
      const uint64_t seq = tree.size();
      absl::StatusOr<Found> found = ReadRecord(*rows, row, 1, 2);
      if (static_cast<uint64_t>(rows->Int(row, 0)) != seq) {
        return bad(seq, Concat("record ", seq, " is missing"));
      }
      if (!found.ok() || found->record.seq != seq || found->record.time_us < last_time_us) {
        return bad(seq, Concat("record ", seq, " was altered"));
      }
      last_time_us = found->record.time_us;
      tree.Append(LeafHash(found->encoded));
      report.records = tree.size();
      if (note == notes->size() || static_cast<uint64_t>(notes->Int(note, 0)) != tree.size()) {
        continue;
      }
      absl::StatusOr<Checkpoint> checkpoint =
          OpenCheckpoint(notes->Text(note, 1), std::vector<VerifierKey>{key});
      if (!checkpoint.ok() || checkpoint->size != tree.size() || checkpoint->root != tree.Root()) {
        return bad(vouched, Concat("the checkpoint over ", tree.size(),
                                   " records does not fit: it, or one of the records ", vouched,
                                   " to ", seq, ", was altered"));
      }
      vouched = tree.size();
      ++report.checkpoints;
      ++note;
    }
  }
  if (note < notes->size()) {
    return bad(tree.size(),
               Concat("a checkpoint over ", notes->Int(note, 0), " records is there, but ",
                      static_cast<uint64_t>(notes->Int(note, 0)) < tree.size()
                          ? "out of order"
                          : "the records from this one on are missing"));
  }
  report.unsigned_records = tree.size() - vouched;
  report.ok = true;
  report.reason = Concat("All ", tree.size(), " records and ", report.checkpoints,
                         " checkpoints are as they were signed.");
  return report;
}

}  // namespace weir::audit
