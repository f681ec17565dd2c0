#include "gateway/admin_tiles.h"

#include <string>
#include <utility>

#include "audit/tiles.h"
#include "rules/status_macros.h"

namespace weir::gateway {
namespace {

// A tile never changes once it is there. Entries are for one person's cache, not for shared ones.
constexpr std::string_view kForEver = "public, max-age=31536000, immutable";
constexpr std::string_view kForEverPrivate = "private, max-age=31536000, immutable";
constexpr std::string_view kOneSecond = "public, max-age=1";
constexpr std::string_view kBytes = "application/octet-stream";
constexpr std::string_view kText = "text/plain; charset=utf-8";

absl::StatusOr<AdminAnswer> Serve(const std::string& path, std::string_view media_type,
                                  std::string_view cache, AdminSources& sources) {
  WEIR_ASSIGN_OR_RETURN(std::string file, audit::ReadTileFile(sources.reader, path));
  AdminAnswer answer{AdminBody(media_type, std::move(file))};
  for (auto& [name, value] : answer.response.head.fields) {
    if (name == "cache-control") value = std::string(cache);
  }
  return answer;
}

absl::StatusOr<AdminAnswer> CheckpointFile(const AdminQuestion&, AdminSources& sources) {
  return Serve("checkpoint", kText, kOneSecond, sources);
}

absl::StatusOr<AdminAnswer> EntriesFile(const AdminQuestion& question, AdminSources& sources) {
  return Serve("tile/entries/" + question.Value("number"), kBytes, kForEverPrivate, sources);
}

absl::StatusOr<AdminAnswer> TileFile(const AdminQuestion& question, AdminSources& sources) {
  return Serve("tile/" + question.Value("tile"), kBytes, kForEver, sources);
}

}  // namespace

std::vector<AdminRoute> TileRoutes() {
  return {
      {.method = "GET",
       .path = "/tiles/checkpoint",
       .name = "Checkpoint",
       .summary = "The latest signed checkpoint, with the cosignatures that it has by now "
                  "(c2sp.org/tlog-tiles).",
       .roles = {},
       .trace = AdminTrace::kNone,
       .query = {},
       .media_type = kText,
       .schema = "",
       .answer = CheckpointFile},
      {.method = "GET",
       .path = "/tiles/tile/entries/{number...}",
       .name = "Entries",
       .summary = "Up to 256 records as an entry bundle: <N>, or <N>.p/<W> for the last.",
       .roles = {Role::kAuditor, Role::kCompliance, Role::kLegal},
       .trace = AdminTrace::kLook,
       .query = {},
       .media_type = kBytes,
       .schema = "",
       .answer = EntriesFile},
      {.method = "GET",
       .path = "/tiles/tile/{tile...}",
       .name = "Tile",
       .summary = "Up to 256 hashes of the tree: <L>/<N>, or <L>/<N>.p/<W> at its right edge.",
       .roles = {},
       .trace = AdminTrace::kNone,
       .query = {},
       .media_type = kBytes,
       .schema = "",
       .answer = TileFile},
  };
}

}  // namespace weir::gateway
