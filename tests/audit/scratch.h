// What the ledger's tests share: a directory that goes away, records to append, and a wait.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <string>
#include <string_view>
#include <utility>

#include "audit/concat.h"
#include "audit/ledger.h"

namespace weir::audit {

class Scratch {
 public:
  // Where syncs cost nothing, for tests in which a VFS decides what survives.
  static std::filesystem::path Memory() {
    const std::filesystem::path memory = "/dev/shm";
    return std::filesystem::is_directory(memory) ? memory : std::filesystem::temp_directory_path();
  }

  explicit Scratch(const std::filesystem::path& parent = std::filesystem::temp_directory_path()) {
    std::string pattern = (parent / "weir-audit-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    root_ = pattern;
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }
  std::string dir() const { return root_ + "/ledger"; }
  std::string Path(std::string_view name) const { return Concat(dir(), "/", name); }

 private:
  std::string root_;
};

inline std::string OneLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

inline Record PromptRecord(std::string exchange) {
  Record record;
  record.kind = RecordKind::kPrompt;
  record.exchange = std::move(exchange);
  record.stage = "RecordPrompt";
  record.app = "demo";
  record.user = "u-1";
  record.model = "qwen-plus";
  record.direction = "prompt";
  record.action = "allow";
  return record;
}

inline Record AnswerRecord(std::string exchange) {
  Record record = PromptRecord(std::move(exchange));
  record.kind = RecordKind::kAnswer;
  record.stage = "RecordAnswer";
  record.direction = "answer";
  record.status = 200;
  return record;
}

inline Record ServiceRecord(std::string detail) {
  Record record;
  record.kind = RecordKind::kService;
  record.stage = "Serve";
  record.detail = std::move(detail);
  return record;
}

inline absl::StatusOr<Receipt> AppendAndWait(Ledger& ledger, Record record) {
  std::promise<absl::StatusOr<Receipt>> promise;
  std::future<absl::StatusOr<Receipt>> receipt = promise.get_future();
  ledger.Append(std::move(record), [&promise](absl::StatusOr<Receipt> result) {
    promise.set_value(std::move(result));
  });
  return receipt.get();
}

}  // namespace weir::audit
