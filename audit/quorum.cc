#include "audit/quorum.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <utility>

#include "audit/concat.h"

namespace weir::audit {
namespace {

// More than any policy needs (the specification asks for 32 of each); bounds what a file can cost.
constexpr size_t kKeysMax = 256;

std::vector<std::string_view> Words(std::string_view line) {
  std::vector<std::string_view> words;
  while (true) {
    const size_t begin = line.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return words;
    const size_t end = std::min(line.find_first_of(" \t", begin), line.size());
    words.push_back(line.substr(begin, end - begin));
    line.remove_prefix(end);
  }
}

}  // namespace

class Quorum::PolicyParser {
 public:
  absl::StatusOr<Quorum> Run(std::string_view policy);

 private:
  absl::Status Line(const std::vector<std::string_view>& words);
  absl::Status Log(const std::vector<std::string_view>& words);
  absl::Status Witness(const std::vector<std::string_view>& words);
  absl::Status Group(const std::vector<std::string_view>& words);
  absl::Status Root(const std::vector<std::string_view>& words);
  absl::Status Define(std::string_view name, Node node);
  absl::StatusOr<VerifierKey> Key(std::string_view text, bool witness,
                                  const std::vector<VerifierKey>& known) const;

  Quorum quorum_;
  std::map<std::string, size_t, std::less<>> names_;  // of nodes
  std::set<size_t> members_;                          // nodes that some group has
  bool has_root_ = false;
};

absl::StatusOr<Quorum> Quorum::PolicyParser::Run(std::string_view policy) {
  for (size_t number = 1; !policy.empty(); ++number) {
    const size_t end = std::min(policy.find('\n'), policy.size());
    const std::string_view line = policy.substr(0, end);
    policy.remove_prefix(std::min(end + 1, policy.size()));
    absl::Status status;
    const auto control = [](char c) {
      return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F;
    };
    if (std::any_of(line.begin(), line.end(), control)) {
      status = absl::InvalidArgumentError("a policy has no control characters but tabs");
    } else if (const auto words = Words(line); !words.empty() && words[0].front() != '#') {
      status = Line(words);
    }
    if (!status.ok()) {
      return absl::InvalidArgumentError(Concat("line ", number, ": ", status.message()));
    }
  }
  if (!has_root_) {
    return absl::InvalidArgumentError(
        "the policy has no line \"quorum <name>\" or \"quorum none\"");
  }
  if (quorum_.logs_.empty()) {
    return absl::InvalidArgumentError("the policy has no line \"log <key>\"");
  }
  return std::move(quorum_);
}

absl::Status Quorum::PolicyParser::Line(const std::vector<std::string_view>& words) {
  if (words[0] == "log") return Log(words);
  if (words[0] == "witness") return Witness(words);
  if (words[0] == "group") return Group(words);
  if (words[0] == "quorum") return Root(words);
  return absl::InvalidArgumentError("a line begins with log, witness, group, quorum or #");
}

absl::StatusOr<VerifierKey> Quorum::PolicyParser::Key(std::string_view text, bool witness,
                                                      const std::vector<VerifierKey>& known) const {
  absl::StatusOr<VerifierKey> key = VerifierKey::Parse(text);
  if (!key.ok()) return key;
  if (key->is_witness() != witness) {
    return absl::InvalidArgumentError(witness ? "this is a log's key, no witness's"
                                              : "this is a witness's key, no log's");
  }
  if (std::find(known.begin(), known.end(), *key) != known.end()) {
    return absl::InvalidArgumentError("the key stands in the policy twice");
  }
  if (known.size() == kKeysMax) return absl::InvalidArgumentError("there are too many keys");
  return key;
}

absl::Status Quorum::PolicyParser::Log(const std::vector<std::string_view>& words) {
  if (words.size() != 2 && words.size() != 3) {
    return absl::InvalidArgumentError("a log is written \"log <key> [<url>]\"");
  }
  absl::StatusOr<VerifierKey> key = Key(words[1], false, quorum_.logs_);
  if (key.ok()) quorum_.logs_.push_back(*std::move(key));
  return key.status();
}

absl::Status Quorum::PolicyParser::Witness(const std::vector<std::string_view>& words) {
  if (words.size() != 3 && words.size() != 4) {
    return absl::InvalidArgumentError("a witness is written \"witness <name> <key> [<url>]\"");
  }
  absl::StatusOr<VerifierKey> key = Key(words[2], true, quorum_.witnesses_);
  if (!key.ok()) return key.status();
  quorum_.witnesses_.push_back(*std::move(key));
  return Define(words[1], {.witness = quorum_.witnesses_.size() - 1, .needed = 0, .members = {}});
}

absl::Status Quorum::PolicyParser::Group(const std::vector<std::string_view>& words) {
  if (words.size() < 4) {
    return absl::InvalidArgumentError(
        "a group is written \"group <name> all|any|<number> <member>...\"");
  }
  Node node;
  for (size_t i = 3; i < words.size(); ++i) {
    const auto found = names_.find(words[i]);
    if (found == names_.end()) {
      return absl::InvalidArgumentError(
          Concat(words[i], " is no witness or group of a line before"));
    }
    if (!members_.insert(found->second).second) {
      return absl::InvalidArgumentError(Concat(words[i], " is a member already"));
    }
    node.members.push_back(found->second);
  }
  const std::string_view needed = words[2];
  if (needed == "all") {
    node.needed = node.members.size();
  } else if (needed == "any") {
    node.needed = 1;
  } else {
    const char* end = needed.data() + needed.size();
    if (std::from_chars(needed.data(), end, node.needed).ptr != end || node.needed < 1 ||
        node.needed > node.members.size()) {
      return absl::InvalidArgumentError(
          "a group needs all, any, or from 1 to as many as it has members");
    }
  }
  return Define(words[1], std::move(node));
}

absl::Status Quorum::PolicyParser::Root(const std::vector<std::string_view>& words) {
  if (words.size() != 2 || has_root_) {
    return absl::InvalidArgumentError("there is one line \"quorum <name>\" or \"quorum none\"");
  }
  has_root_ = true;
  if (words[1] == "none") return absl::OkStatus();
  const auto found = names_.find(words[1]);
  if (found == names_.end()) {
    return absl::InvalidArgumentError(Concat(words[1], " is no witness or group of a line before"));
  }
  quorum_.root_ = found->second;
  return absl::OkStatus();
}

absl::Status Quorum::PolicyParser::Define(std::string_view name, Node node) {
  if (name == "none" || !names_.emplace(std::string(name), quorum_.nodes_.size()).second) {
    return absl::InvalidArgumentError(Concat(name, " is a name already; take another"));
  }
  if (quorum_.nodes_.size() == 2 * kKeysMax) {
    return absl::InvalidArgumentError("there are too many groups");
  }
  quorum_.nodes_.push_back(std::move(node));
  return absl::OkStatus();
}

absl::StatusOr<Quorum> Quorum::Parse(std::string_view policy) {
  return PolicyParser().Run(policy);
}

Quorum::Quorum(const std::vector<VerifierKey>& all) : every_log_(true) {
  Node every;
  for (const VerifierKey& key : all) {
    if (!key.is_witness()) {
      logs_.push_back(key);
      continue;
    }
    every.members.push_back(nodes_.size());
    nodes_.push_back({.witness = witnesses_.size(), .needed = 0, .members = {}});
    witnesses_.push_back(key);
  }
  if (witnesses_.empty()) return;
  every.needed = every.members.size();
  root_ = nodes_.size();
  nodes_.push_back(std::move(every));
}

absl::Status Quorum::CheckLog(const SignedNote& note) const {
  if (empty()) {
    return absl::InvalidArgumentError("a checkpoint cannot be verified without a log's key");
  }
  const std::string_view origin = std::string_view(note.text).substr(0, note.text.find('\n'));
  bool by_origin = false;
  bool by_one = false;
  for (const VerifierKey& log : logs_) {
    absl::StatusOr<bool> by_log = log.Signed(note);
    if (!by_log.ok()) return by_log.status();
    by_one = by_one || *by_log;
    by_origin = by_origin || (*by_log && log.name() == origin);
    if (every_log_ && !*by_log) {
      return absl::InvalidArgumentError(Concat("the checkpoint is not signed by ", log.name()));
    }
  }
  if (!by_one) {
    return absl::InvalidArgumentError("the checkpoint is signed by none of the policy's logs");
  }
  if (by_origin) return absl::OkStatus();
  return absl::InvalidArgumentError(
      Concat("the checkpoint is of another ledger than its key, of ", origin));
}

absl::Status Quorum::Check(const SignedNote& note) const {
  if (absl::Status status = CheckLog(note); !status.ok()) return status;
  std::vector<bool> satisfied;
  std::string missing;
  for (const Node& node : nodes_) {
    if (node.witness) {
      const VerifierKey& witness = witnesses_[*node.witness];
      absl::StatusOr<bool> cosigned = witness.Signed(note);
      if (!cosigned.ok()) return cosigned.status();
      satisfied.push_back(*cosigned);
      if (!*cosigned) missing += Concat(missing.empty() ? "" : ", ", witness.name());
    } else {
      const auto here = std::count_if(node.members.begin(), node.members.end(),
                                      [&](size_t member) { return satisfied[member]; });
      satisfied.push_back(static_cast<uint64_t>(here) >= node.needed);
    }
  }
  if (!root_ || satisfied[*root_]) return absl::OkStatus();
  return absl::InvalidArgumentError(
      Concat("the checkpoint lacks the quorum of witnesses: not cosigned by ", missing));
}

namespace {

absl::StatusOr<Checkpoint> Open(std::string_view note, const Quorum& quorum,
                                absl::Status (Quorum::*check)(const SignedNote&) const) {
  absl::StatusOr<SignedNote> parsed = SignedNote::Parse(note);
  if (!parsed.ok()) return parsed.status();
  if (absl::Status status = (quorum.*check)(*parsed); !status.ok()) return status;
  return Checkpoint::Parse(parsed->text);
}

}  // namespace

absl::StatusOr<Checkpoint> OpenCheckpoint(std::string_view note, const Quorum& quorum) {
  return Open(note, quorum, &Quorum::Check);
}

absl::StatusOr<Checkpoint> OpenLogCheckpoint(std::string_view note, const Quorum& quorum) {
  return Open(note, quorum, &Quorum::CheckLog);
}

}  // namespace weir::audit
