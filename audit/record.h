// One entry of the ledger, and its canonical bytes.
//
// A record says what was decided, for whom, under which rules, when and where; it never holds
// content, only digests of it. Encode() is canonical: one record has one encoding, JSON with a
// fixed field order and no optional whitespace (audit/FORMAT.md is normative, with example bytes).
// The encoding is what the tree hashes and what a regulator reads.
//
// Values only. Thread-compatible.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

namespace weir::audit {

// Why a record exists.
enum class RecordKind : uint8_t {
  kPrompt,       // a prompt was judged; opens an exchange
  kAnswer,       // the answer was judged or the exchange refused; closes an exchange
  kFailure,      // the exchange ended by a failure; closes it, or stands alone
  kInterrupted,  // written at start for an exchange that a crash left open; closes it
  kService,      // the gateway itself: opened, closed, bundle loaded, ledger reconciled
  kAccess,       // a person looked at the ledger
  kErased,       // a subject's content was destroyed
  kRestricted,   // a subject's content is to be erased, but must be kept until a day or a release
  kHold,         // a subject's content must be kept, whoever asks for its erasure
  kRelease,      // the end of a hold
};
inline constexpr RecordKind kLastRecordKind = RecordKind::kRelease;

std::string_view Name(RecordKind kind);
// Nothing when it is the name of none.
std::optional<RecordKind> ParseRecordKind(std::string_view name);

struct FindingEntry {
  std::string rule;
  std::string category;
  std::string severity;
  std::string lane;
  std::string part;    // JSON pointer of the text
  uint64_t start = 0;  // bytes of that text
  uint64_t end = 0;
  std::string action;
};

struct Record {
  // Set by the ledger when the record is batched; 0 before.
  uint64_t seq = 0;  // from 0, without gaps; also the leaf index in the tree
  int64_t time_us =
      0;  // microseconds since the epoch, UTC; never falls from one record to the next

  RecordKind kind = RecordKind::kService;
  std::string exchange;  // UUIDv7; empty for kService and kAccess
  std::string stage;     // where in the exchange: "RecordPrompt", "Relay", ...
  std::string app;
  std::string user;
  std::string profile;
  std::string region;
  std::string dialect;  // "openai.chat"
  std::string model;    // as the client asked for it
  std::string upstream;
  std::string direction;  // "prompt" | "answer" | ""
  std::string action;     // "allow" ... "block"; "" where nothing was decided
  bool review = false;
  std::string bundle;  // digest of the policy bundle that decided
  std::vector<FindingEntry> findings;
  uint64_t findings_total = 0;  // before any was cut to keep the record within its limit
  std::string content_digest;   // set by the ledger when it is given content; see FORMAT.md
  uint64_t content_bytes = 0;   // of the judged text
  int32_t status = 0;           // HTTP status sent to the client; 0: none was sent
  int64_t duration_us = 0;      // since the exchange began
  std::string cause;            // kFailure, kInterrupted: the named cause
  std::string detail;           // a sentence for a person; never content
};

// A leaf is at most this long (C2SP entry bundles carry a uint16 length).
inline constexpr size_t kRecordBytesMax = 65'535;

// Longer strings are cut at a character and end in an ellipsis. Bytes of the encoding.
inline constexpr size_t kStringBytesMax = 1'024;
inline constexpr size_t kDetailBytesMax = 4'096;

// Never fails: what is no UTF-8 becomes U+FFFD, over-long strings are cut, and a record that would
// still be too long loses findings from the end; `findings_total` says how many there were.
std::string Encode(const Record& record);

// Encode() in two steps: the body on the caller's thread, number and time when the ledger gives
// them. Encode(r) == AppendEncoding(r.seq, r.time_us, EncodeBody(r)).
std::string EncodeBody(const Record& record);
void AppendEncoding(uint64_t seq, int64_t time_us, std::string_view body, std::string& out);

// "2026-11-23T04:49:55.123456Z", as records spell their time.
std::string FormatTime(int64_t time_us);

// Any text as a JSON string, quotes included, escaped as records are.
std::string JsonString(std::string_view text);

// The time of an encoded record, without reading further.
absl::StatusOr<int64_t> TimeOfEncoded(std::string_view encoded);

// Strict: only what Encode can have written decodes.
absl::StatusOr<Record> Decode(std::string_view encoded);

}  // namespace weir::audit
