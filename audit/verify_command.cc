#include "audit/verify_command.h"

#include <sys/stat.h>

#include <optional>
#include <ostream>
#include <utility>

#include "audit/concat.h"
#include "audit/consistency.h"
#include "audit/export.h"
#include "audit/files.h"
#include "audit/quorum.h"
#include "audit/verify_tiles.h"

namespace weir::audit {

const char kVerifyUsage[] =
    "usage: weir-verify [--keys FILE | --policy FILE] [--seen CHECKPOINT] WHAT\n"
    "       weir-verify consistency (--keys FILE | --policy FILE) OLD NEW\n"
    "       weir-verify witness --listen ADDRESS --log KEY --key FILE --state FILE\n"
    "       weir-verify keygen NAME FILE\n"
    "\n"
    "WHAT is a directory written by `weir audit export`, a directory of tiles (a file checkpoint\n"
    "and a folder tile), a file written by `weir audit prove`, or an archive of a closed segment\n"
    "(segments/*.zst of a ledger).\n"
    "\n"
    "--keys FILE    the public keys that must have signed, one a line, all of them, as the\n"
    "               ledger's owner and the witnesses published them\n"
    "--policy FILE  which log and which quorum of witnesses must have signed (C2SP tlog-policy)\n"
    "               Without either an export is checked with the key that it names itself, which\n"
    "               shows that it is whole but not whose it is.\n"
    "--seen FILE    a checkpoint that you have kept: WHAT must reach it and be consistent with "
    "it,\n"
    "               so that an older state of the ledger is not taken for the present one\n"
    "\n"
    "consistency    whether NEW extends OLD, a checkpoint that you have kept. NEW is what\n"
    "               `weir audit checkpoint --from SIZE-OF-OLD` prints, or an export or a "
    "directory\n"
    "               of tiles that reaches back so far.\n"
    "witness        cosigns the checkpoints of a log (C2SP tlog-witness) as long as each extends\n"
    "               the one before; KEY is the log's public key, FILE the witness's private key\n"
    "keygen         makes a witness's private key in FILE and prints the public one\n"
    "\n"
    "Exit code: 0 verified, 1 altered, 2 cannot tell.\n";

namespace {

struct Demands {
  Quorum quorum;
  std::optional<Checkpoint> seen;
  std::vector<std::string> paths;
};

int CannotTell(std::string_view sentence, std::ostream& err) {
  err << "cannot tell: " << sentence << "\n";
  return kCannotTell;
}

int Altered(std::string_view sentence, std::ostream& out) {
  out << "ALTERED: " << sentence << "\n";
  return kAltered;
}

absl::Status InFile(const std::string& file, const absl::Status& status) {
  return {status.code(), Concat(file, ": ", status.message())};
}

absl::StatusOr<Quorum> ReadQuorum(bool policy, const std::string& file) {
  absl::StatusOr<std::string> text = ReadFile(file);
  if (!text.ok()) return text.status();
  if (policy) {
    absl::StatusOr<Quorum> quorum = Quorum::Parse(*text);
    return quorum.ok() ? quorum : InFile(file, quorum.status());
  }
  absl::StatusOr<std::vector<VerifierKey>> keys = ParseVerifierKeys(*text);
  if (!keys.ok()) return InFile(file, keys.status());
  return Quorum(*keys);
}

// A checkpoint from elsewhere; only its log's signature is asked for, since whoever kept it knows
// where it is from.
absl::StatusOr<Checkpoint> ReadSeen(const std::string& file, const Quorum& quorum) {
  absl::StatusOr<std::string> note = ReadFile(file);
  if (!note.ok()) return note.status();
  absl::StatusOr<Checkpoint> checkpoint = OpenLogCheckpoint(*note, quorum);
  return checkpoint.ok() ? checkpoint : InFile(file, checkpoint.status());
}

absl::StatusOr<Demands> ParseArguments(const std::vector<std::string>& arguments) {
  Demands demands;
  std::string seen;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    const bool has_value = i + 1 < arguments.size();
    if ((argument == "--keys" || argument == "--policy") && has_value && demands.quorum.empty()) {
      absl::StatusOr<Quorum> quorum = ReadQuorum(argument == "--policy", arguments[++i]);
      if (!quorum.ok()) return quorum.status();
      demands.quorum = *std::move(quorum);
      if (demands.quorum.empty()) {
        return absl::InvalidArgumentError(Concat(arguments[i], " has no key of a log"));
      }
    } else if (argument == "--seen" && has_value && seen.empty()) {
      seen = arguments[++i];
    } else if (!argument.starts_with("-")) {
      demands.paths.push_back(argument);
    } else {
      return absl::InvalidArgumentError(Concat("there is no ", argument,
                                               " here, or it lacks its value or stands twice; see "
                                               "`weir-verify --help`"));
    }
  }
  if (seen.empty()) return demands;
  if (demands.quorum.empty()) {
    return absl::InvalidArgumentError("--seen takes --keys or --policy with it");
  }
  absl::StatusOr<Checkpoint> checkpoint = ReadSeen(seen, demands.quorum);
  if (!checkpoint.ok()) return checkpoint.status();
  demands.seen = *std::move(checkpoint);
  return demands;
}

int VerifyEvidenceAt(const std::string& path, const Demands& demands, std::ostream& out,
                     std::ostream& err) {
  if (demands.quorum.empty()) {
    return CannotTell("an evidence file names no key; give the ledger's public key with --keys",
                      err);
  }
  if (demands.seen) {
    return CannotTell("--seen is for exports and tiles, which tell more than one record", err);
  }
  const absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) return CannotTell(Concat(text.status().message()), err);
  const absl::StatusOr<Record> record = VerifyEvidenceFile(*text, demands.quorum);
  if (!record.ok()) return Altered(Concat(record.status().message()), out);
  out << "verified: record " << record->seq << " of " << FormatTime(record->time_us)
      << " is in the ledger " << demands.quorum.logs().front().name() << ", unaltered.\n";
  return kVerified;
}

int TellOf(const absl::StatusOr<VerifyReport>& report, const Demands& demands, std::ostream& out,
           std::ostream& err) {
  if (!report.ok()) return CannotTell(Concat(report.status().message()), err);
  if (!report->ok) return Altered(report->reason, out);
  out << "verified: " << report->reason << "\n";
  if (demands.quorum.empty()) {
    out << "Checked with the key that it names itself: compare that with the key that the ledger's "
           "owner published, or give the published one with --keys.\n";
  }
  return kVerified;
}

int VerifyDirectory(const std::string& path, const Demands& demands, std::ostream& out,
                    std::ostream& err) {
  const bool tiles = FileExists(path + "/checkpoint") || FileExists(path + "/tile");
  if (tiles && demands.quorum.empty()) {
    return CannotTell("tiles name no key; give the ledger's public key with --keys", err);
  }
  if (tiles && !FileExists(path + "/checkpoint")) return Altered("checkpoint is missing", out);
  return TellOf(tiles ? VerifyTiles(path, demands.quorum, demands.seen)
                      : VerifyExport(path, demands.quorum, demands.seen),
                demands, out, err);
}

bool IsDirectory(const std::string& path) {
  struct stat found {};
  return ::stat(path.c_str(), &found) == 0 && S_ISDIR(found.st_mode);
}

// NEW as a file: a checkpoint behind its proof, or alone when there is nothing to prove.
int ConsistencyOfFiles(const Checkpoint& older, const std::string& path, const Quorum& quorum,
                       std::ostream& out, std::ostream& err) {
  absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) return CannotTell(Concat(text.status().message()), err);
  Extension extension{.old_size = older.size, .proof = {}, .note = *text};
  const bool has_proof = text->starts_with("old ");
  if (has_proof) {
    absl::StatusOr<Extension> parsed = Extension::Parse(*text);
    if (!parsed.ok()) return Altered(Concat(path, ": ", parsed.status().message()), out);
    extension = *std::move(parsed);
  }
  absl::StatusOr<Checkpoint> newer = OpenCheckpoint(extension.note, quorum);
  if (!newer.ok()) return Altered(Concat(path, ": ", newer.status().message()), out);
  const bool needs_proof = older.size > 0 && older.size < newer->size;
  if (needs_proof && (!has_proof || extension.old_size != older.size)) {
    return CannotTell(Concat(path, " has no proof from ", older.size,
                             " records on; ask for `weir audit checkpoint --from ", older.size,
                             "`, or for an export that holds them"),
                      err);
  }
  const absl::Status status = CheckExtends(older, *newer, extension.proof);
  if (!status.ok()) return Altered(Concat(status.message()), out);
  out << "verified: the " << newer->size << " records of " << newer->origin << " begin with the "
      << older.size << " of the older checkpoint, unaltered.\n";
  return kVerified;
}

int Consistency(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err) {
  absl::StatusOr<Demands> demands = ParseArguments(arguments);
  if (!demands.ok()) return CannotTell(Concat(demands.status().message()), err);
  if (demands->paths.size() != 2 || demands->quorum.empty() || demands->seen) {
    return CannotTell("write weir-verify consistency --keys FILE OLD NEW", err);
  }
  absl::StatusOr<Checkpoint> older = ReadSeen(demands->paths[0], demands->quorum);
  if (absl::IsInvalidArgument(older.status())) {
    return Altered(Concat(older.status().message()), out);
  }
  if (!older.ok()) return CannotTell(Concat(older.status().message()), err);
  const std::string& path = demands->paths[1];
  if (!IsDirectory(path)) return ConsistencyOfFiles(*older, path, demands->quorum, out, err);
  demands->seen = *std::move(older);
  return VerifyDirectory(path, *demands, out, err);
}

int MakeKey(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err) {
  if (arguments.size() != 2) return CannotTell("write weir-verify keygen NAME FILE", err);
  if (FileExists(arguments[1])) {
    return CannotTell(Concat(arguments[1], " exists: a key is never written over"), err);
  }
  absl::StatusOr<SigningKey> key =
      SigningKey::Generate(arguments[0], SignatureAlgorithm::kCosignature);
  if (!key.ok()) return CannotTell(Concat(key.status().message()), err);
  const absl::Status status = WriteFileDurably(arguments[1], key->ToString() + "\n", 0400);
  if (!status.ok()) return CannotTell(Concat(status.message()), err);
  out << key->VerifierKey() << "\n";
  return kVerified;
}

}  // namespace

int RunVerify(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err) {
  for (const std::string& argument : arguments) {
    if (argument != "--help" && argument != "-h") continue;
    out << kVerifyUsage;
    return kVerified;
  }
  if (!arguments.empty() && (arguments[0] == "consistency" || arguments[0] == "keygen")) {
    const std::vector<std::string> rest(arguments.begin() + 1, arguments.end());
    return arguments[0] == "keygen" ? MakeKey(rest, out, err) : Consistency(rest, out, err);
  }
  absl::StatusOr<Demands> demands = ParseArguments(arguments);
  if (!demands.ok()) return CannotTell(Concat(demands.status().message()), err);
  if (demands->paths.size() != 1) {
    err << kVerifyUsage;
    return kCannotTell;
  }
  const std::string& path = demands->paths[0];
  if (!FileExists(path)) return CannotTell(Concat("there is no ", path), err);
  if (path.ends_with(".zst") && !demands->seen) {
    return TellOf(VerifyArchive(path, demands->quorum), *demands, out, err);
  }
  return IsDirectory(path) ? VerifyDirectory(path, *demands, out, err)
                           : VerifyEvidenceAt(path, *demands, out, err);
}

}  // namespace weir::audit
