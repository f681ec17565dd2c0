#include "audit/witness.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "audit/concat.h"
#include "audit/consistency.h"
#include "audit/digest.h"
#include "audit/quorum.h"

namespace weir::audit {
namespace {

WitnessAnswer Refuse(int status, std::string_view why) {
  return {.status = status, .body = Concat(why, "\n")};
}

// The line behind the newest of the note's own.
std::string WithLine(const SignedNote& note, const std::string& line) {
  std::string text = note.text + "\n";
  for (const NoteSignature& signature : note.signatures) text += signature.ToString();
  return text + line;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Witness>> Witness::Open(const WitnessOptions& options) {
  absl::StatusOr<std::string> text = ReadFile(options.key_file);
  if (!text.ok()) return text.status();
  absl::StatusOr<SigningKey> key = SigningKey::Parse(*text);
  if (!key.ok()) {
    return absl::InvalidArgumentError(Concat(options.key_file, ": ", key.status().message()));
  }
  if (key->algorithm() != SignatureAlgorithm::kCosignature) {
    return absl::InvalidArgumentError(
        Concat(options.key_file, " is no witness's key: make one with `weir-verify keygen`"));
  }
  for (const VerifierKey& log : options.logs) {
    if (log.is_witness()) {
      return absl::InvalidArgumentError(Concat(log.name(), " is a witness's key, no log's"));
    }
  }
  if (options.logs.empty()) return absl::InvalidArgumentError("a witness needs the key of a log");
  absl::StatusOr<FileLock> lock = FileLock::Take(options.state_file + ".lock");
  if (!lock.ok()) {
    return absl::UnavailableError(Concat("cannot hold ", options.state_file,
                                         ".lock: is another witness running on this "
                                         "state? It has one process"));
  }
  std::unique_ptr<Witness> witness(new Witness(*std::move(key), options, *std::move(lock)));
  if (absl::Status status = witness->ReadState(); !status.ok()) return status;
  return witness;
}

const VerifierKey* Witness::LogOf(std::string_view origin) const {
  const auto found = std::find_if(options_.logs.begin(), options_.logs.end(),
                                  [&](const VerifierKey& log) { return log.name() == origin; });
  return found == options_.logs.end() ? nullptr : &*found;
}

// The state is every log's last cosigned checkpoint, an empty line after each. It must verify like
// any other: a witness that forgot would sign a second history.
absl::Status Witness::ReadState() {
  if (!FileExists(options_.state_file)) return absl::OkStatus();
  absl::StatusOr<std::string> text = ReadFile(options_.state_file);
  if (!text.ok()) return text.status();
  const auto damaged = [this](std::string_view why) {
    return absl::DataLossError(
        Concat(options_.state_file, " is damaged (", why,
               "): put back a copy that is not older than the last cosignature, or witness under a "
               "new key"));
  };
  absl::StatusOr<VerifierKey> own = VerifierKey::Parse(key_.VerifierKey());
  if (!own.ok()) return own.status();
  std::string_view rest = *text;
  while (!rest.empty()) {
    const size_t inside = rest.find("\n\n");
    const size_t behind = inside == std::string_view::npos ? inside : rest.find("\n\n", inside + 2);
    if (behind == std::string_view::npos) return damaged("it ends inside a checkpoint");
    std::string note(rest.substr(0, behind + 1));
    rest.remove_prefix(behind + 2);
    const VerifierKey* log = LogOf(std::string_view(note).substr(0, note.find('\n')));
    absl::StatusOr<Checkpoint> checkpoint =
        log == nullptr ? absl::InvalidArgumentError("it is of a log that --log does not name")
                       : OpenCheckpoint(note, {*log, *own});
    if (!checkpoint.ok()) return damaged(Concat(checkpoint.status().message()));
    const std::string origin = checkpoint->origin;
    if (!cosigned_.emplace(origin, Cosigned{*std::move(checkpoint), std::move(note)}).second) {
      return damaged("it has two checkpoints of a log");
    }
  }
  return absl::OkStatus();
}

absl::Status Witness::Remember(Cosigned cosigned) {
  const std::string origin = cosigned.checkpoint.origin;
  std::string text;
  for (const auto& [other, kept] : cosigned_) {
    if (other != origin) text += kept.note + "\n";
  }
  text += cosigned.note + "\n";
  const absl::Status status = WriteFileDurably(options_.state_file, text, 0600);
  if (status.ok()) cosigned_.insert_or_assign(origin, std::move(cosigned));
  return status;
}

WitnessAnswer Witness::AddCheckpoint(std::string_view body) {
  absl::StatusOr<Extension> extension = Extension::Parse(body);
  if (!extension.ok()) return Refuse(400, Concat(extension.status().message()));
  absl::StatusOr<SignedNote> note = SignedNote::Parse(extension->note);
  if (!note.ok()) return Refuse(400, Concat(note.status().message()));
  absl::StatusOr<Checkpoint> checkpoint = Checkpoint::Parse(note->text);
  if (!checkpoint.ok()) return Refuse(400, Concat(checkpoint.status().message()));
  const VerifierKey* log = LogOf(checkpoint->origin);
  if (log == nullptr) return Refuse(404, "This witness does not know the log.");
  if (const absl::Status status = Quorum({*log}).Check(*note); !status.ok()) {
    return Refuse(403, Concat(status.message()));
  }
  if (extension->old_size > checkpoint->size) {
    return Refuse(400, "The old size is larger than the checkpoint's.");
  }

  const auto found = cosigned_.find(checkpoint->origin);
  const Checkpoint last =
      found == cosigned_.end()
          ? Checkpoint{.origin = checkpoint->origin, .size = 0, .root = EmptyRoot()}
          : found->second.checkpoint;
  if (extension->old_size != last.size) {
    return {.status = 409, .media_type = "text/x.tlog.size", .body = Concat(last.size, "\n")};
  }
  if (const absl::Status status = CheckExtends(last, *checkpoint, extension->proof); !status.ok()) {
    return Refuse(422, Concat(status.message()));
  }

  using std::chrono::system_clock;
  const uint64_t now_s = options_.now_s
                             ? options_.now_s()
                             : static_cast<uint64_t>(system_clock::to_time_t(system_clock::now()));
  const std::string line = key_.Cosign(note->text, now_s);
  if (line.empty()) return Refuse(500, "OpenSSL cannot sign.");
  // Of the lines that came with it only the log's are kept: others were not verified.
  std::erase_if(note->signatures,
                [log](const NoteSignature& signature) { return !log->IsOf(signature); });
  const absl::Status kept = Remember({*std::move(checkpoint), WithLine(*note, line)});
  if (!kept.ok()) return Refuse(500, Concat("The state cannot be kept: ", kept.message()));
  return {.status = 200, .body = line};
}

WitnessAnswer Witness::LatestCheckpoint(std::string_view origin_digest) const {
  for (const auto& [origin, cosigned] : cosigned_) {
    if (Sha256Hex(origin) == origin_digest) return {.status = 200, .body = cosigned.note};
  }
  return Refuse(404, "This witness has cosigned no checkpoint of such a log.");
}

}  // namespace weir::audit
