// What the admin plane can be asked that reads the ledger or changes something, and by whom: a
// table of routes, each with one function that answers it.
//
// To add a route: write its function and its row in a file of its own (gateway/admin_decisions.cc
// is the model) and add the rows to AdminRoutes() in gateway/admin_routes.cc. The desk
// (gateway/admin_desk.h) matches the path, looks who asks and whether that role may, reads the
// parameters strictly and records the look; /admin/v1/openapi.json is made from the same table.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

#include "audit/ledger.h"
#include "audit/reader.h"
#include "gateway/admin.h"
#include "gateway/config.h"
#include "gateway/staff.h"

namespace weir::gateway {

// One request as a route's function gets it.
struct AdminQuestion {
  std::string person;  // empty where everybody may ask
  Role role = Role::kAuditor;
  // Of the path's and the query's parameters, percent-escapes undone, UTF-8, at most
  // kAdminValueBytesMax; of the path's "{name...}" everything that follows.
  std::map<std::string, std::string, std::less<>> values;
  std::string_view body;  // of a POST

  bool Has(std::string_view name) const { return values.find(name) != values.end(); }
  // Empty when it was not given.
  const std::string& Value(std::string_view name) const;
};
inline constexpr size_t kAdminValueBytesMax = 512;

// What it may use. `reader` is the thread's own; the functions may block, exchanges do not wait for
// them.
struct AdminSources {
  audit::Ledger& ledger;
  audit::Reader& reader;
  const Config& config;
};

struct AdminAnswer {
  AdminResponse response;
  uint64_t returned = 0;  // records that it shows
};

struct AdminParameter {
  std::string_view name;
  std::string_view description;
  bool number = false;
  // It may hold words out of somebody's content: kept out of the record's text and URL, in the
  // record's encrypted content.
  bool words = false;
};

enum class AdminTrace : uint8_t {
  kLook,  // the desk records who asked for what and how many were returned, before they are shown
  kOwn,   // the function writes a record itself (audit::Reveal)
  kNone,  // nothing that anybody decided or wrote is shown
};

struct AdminRoute {
  std::string_view method;
  // "/admin/v1/decisions/{id}": "{name}" takes one segment, "{name...}" at the end one or more.
  std::string_view path;
  std::string_view name;     // in records (`stage`) and as the operation's id in OpenAPI
  std::string_view summary;  // a sentence
  Roles roles;               // any of them may ask; empty: whoever reaches the admin plane
  AdminTrace trace = AdminTrace::kLook;
  std::vector<AdminParameter> query;
  std::string_view media_type;  // of what it answers
  std::string_view schema;      // a component of the OpenAPI document, where that is JSON
  absl::StatusOr<AdminAnswer> (*answer)(const AdminQuestion& question, AdminSources& sources);
};

const std::vector<AdminRoute>& AdminRoutes();

// The OpenAPI 3.1 document of AdminRoutes() and of what needs no ledger.
std::string AdminOpenApi();

}  // namespace weir::gateway
